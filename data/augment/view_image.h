// Views as pictures for people.
#pragma once

#include "mec/data/augment/transform.h"

namespace mec {

// With it, a view has the pixels of the image, scaled to [0, 1].
Normalization no_normalization(int channels);

// View key.view of the image. The transform has no_normalization().
Image view_image(const Image& image, const Transform& views, const ViewKey& key);

// The middle square of the image, resized to `side` where it is larger.
Image thumbnail(const Image& image, int side);

}  // namespace mec

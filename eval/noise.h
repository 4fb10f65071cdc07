// How accuracy falls as Gaussian noise is added to images, or to their features. The classifiers
// are trained without noise.
#pragma once

#include "mec/eval/knn.h"
#include "mec/eval/linear_probe.h"

namespace mec {

// The images with noise of standard deviation sigma, in units of pixels in [0, 1] (`normalization`
// is what has been applied to them); values may leave that range. The draw of a pixel depends on
// seed, place of the image in the stream, and place in the image, so batches do not matter, and a
// larger sigma scales the same noise. ValueError for a negative sigma.
ImageStream add_image_noise(const ImageStream& images, const Normalization& normalization, double sigma, std::uint64_t seed);

// x (N,d) with noise of standard deviation sigma in every coordinate.
Tensor add_feature_noise(const Tensor& x, double sigma, std::uint64_t seed);

// Root of the mean square of all entries: the RMS norm of a row is √d times that.
double root_mean_square(const Tensor& x);

struct NoiseScore {
  double knn = 0, linear = 0;  // accuracies in [0, 1]
};

// kNN and a linear probe, both fitted to training features without noise.
class CleanClassifiers {
 public:
  explicit CleanClassifiers(Features train, const KnnOptions& knn = {}, const LinearProbeOptions& linear = {});

  NoiseScore score(const Features& test) const;
  // The score of test features with noise of standard deviation `sigma` times the training
  // features' root mean square.
  NoiseScore score_with_noise(const Features& test, double sigma, std::uint64_t seed) const;

 private:
  Features train_;
  KnnOptions knn_;
  LinearProbe probe_;
  double unit_;
};

}  // namespace mec

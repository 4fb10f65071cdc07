// JPEG by libjpeg-turbo, which Pillow uses as well: the same settings give the same pixels.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <vector>

#include <jpeglib.h>  // after <cstdio>, which it needs

#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/tensor/error.h"
#include "mec/tensor/io/limits.h"

namespace mec {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;

struct Errors {
  jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it points to this struct
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr jpeg) {
  auto* const errors = reinterpret_cast<Errors*>(jpeg->err);
  jpeg->err->format_message(jpeg, errors->text);
  std::longjmp(errors->jump, 1);
}

void limit_scans(j_common_ptr jpeg) {
  auto* const errors = reinterpret_cast<Errors*>(jpeg->err);
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= limits::kJpegScans) return;
  std::snprintf(errors->text, sizeof errors->text, "the JPEG file has more than %d scans", limits::kJpegScans);
  std::longjmp(errors->jump, 1);
}

// libjpeg reads from memory. At the end of the data the source suspends it, and the callers below
// see that. jpeg_mem_src() would insert an end marker instead, and the rest of a truncated picture
// would be gray.
class Reader {
 public:
  explicit Reader(Bytes file) : errors_{}, source_{}, progress_{}, jpeg_{} {
    jpeg_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = leave;
    errors_.manager.emit_message = [](j_common_ptr, int) {};
    run([&] { jpeg_create_decompress(&jpeg_); });
    source_.next_input_byte = file.data();
    source_.bytes_in_buffer = file.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };
    source_.skip_input_data = [](j_decompress_ptr jpeg, long count) {
      const auto skipped =
          std::min(static_cast<std::size_t>(std::max(count, 0L)), jpeg->src->bytes_in_buffer);
      jpeg->src->next_input_byte += skipped;
      jpeg->src->bytes_in_buffer -= skipped;
    };
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    progress_.progress_monitor = limit_scans;
    jpeg_.src = &source_;
    jpeg_.progress = &progress_;
  }
  ~Reader() { jpeg_destroy_decompress(&jpeg_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  jpeg_decompress_struct* operator->() { return &jpeg_; }
  jpeg_decompress_struct* get() { return &jpeg_; }

  // Errors of libjpeg leave `steps` by longjmp and become exceptions here: no local variable of
  // `steps` may have a destructor.
  template <class Steps> void run(Steps steps) {
    if (setjmp(errors_.jump) != 0) throw IoError(errors_.text);
    steps();
  }

 private:
  Errors errors_;
  jpeg_source_mgr source_;
  jpeg_progress_mgr progress_;
  jpeg_decompress_struct jpeg_;
};

int orientation_of(Reader& jpeg) {
  for (const auto* marker = jpeg->marker_list; marker; marker = marker->next) {
    const Bytes data(marker->data, marker->data_length);
    if (marker->marker == kExifMarker && begins_with(data, std::string_view("Exif\0\0", 6)))
      return find_orientation(data);
  }
  return 1;
}

}  // namespace

DecodedImage decode_jpeg(Bytes file) {
  Reader jpeg(file);
  int status = JPEG_SUSPENDED;
  jpeg.run([&] {
    jpeg_save_markers(jpeg.get(), kExifMarker, 0xffff);
    status = jpeg_read_header(jpeg.get(), TRUE);
  });
  check<IoError>(status == JPEG_HEADER_OK,
                 "the file is truncated: it ends before its picture begins");
  const int stored = jpeg->num_components;
  check<IoError>(stored == 1 || stored == 3 || stored == 4, "the JPEG file has ", stored,
                 " components, but 1, 3 or 4 are read");

  DecodedImage decoded{make_image(file, jpeg->image_width, jpeg->image_height, stored == 1 ? 1 : 3), orientation_of(jpeg)};
  const std::size_t row_size = decoded.image.pixels.size() / jpeg->image_height;
  std::vector<std::uint8_t> inks(stored == 4 ? std::size_t{4} * jpeg->image_width : 0);
  std::uint8_t* row = decoded.image.pixels.data();
  jpeg.run([&] {
    jpeg->out_color_space = stored == 1 ? JCS_GRAYSCALE : stored == 3 ? JCS_RGB : JCS_CMYK;
    if (!jpeg_start_decompress(jpeg.get())) return;
    for (; jpeg->output_scanline < jpeg->output_height; row += row_size) {
      JSAMPROW to = stored == 4 ? inks.data() : row;
      if (jpeg_read_scanlines(jpeg.get(), &to, 1) != 1) return;
      // CMYK is stored inverted, as Adobe does; Pillow assumes so in every file.
      for (std::size_t i = 0; i < inks.size(); ++i)
        inks[i] = static_cast<std::uint8_t>(255 - inks[i]);
      for (std::size_t x = 0; 4 * x < inks.size(); ++x) cmyk_to_rgb(&inks[4 * x], row + 3 * x);
    }
    jpeg_finish_decompress(jpeg.get());  // an end marker may be missing
  });
  check<IoError>(jpeg->output_scanline == jpeg->image_height,
                 "the file is truncated: it ends in row ", jpeg->output_scanline, " of ",
                 jpeg->image_height);
  return decoded;
}

}  // namespace mec

#include "mec/tensor/io/output_path.h"

#include "mec/tensor/error.h"
#include "mec/tensor/text.h"

namespace mec {

void check_output(const std::string& operation, const std::filesystem::path& from, const std::filesystem::path& to,
                  const std::string& name) {
  check<ValueError>(!is_same_file(from, to), operation, ": ", printable(to.string()),
                    " is the file that it reads; write to another one");
  std::error_code ignored;
  check<IoError>(!std::filesystem::is_directory(to, ignored), printable(to.string()),
                 " is a folder; give the file a name: ", printable((to / name).string()));
}

bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code failed;
  if (std::filesystem::equivalent(a, b, failed)) return true;
  const std::filesystem::path whole_a = std::filesystem::weakly_canonical(a, failed);
  if (failed) return a == b;
  const std::filesystem::path whole_b = std::filesystem::weakly_canonical(b, failed);
  return failed ? a == b : whole_a == whole_b;
}

}  // namespace mec

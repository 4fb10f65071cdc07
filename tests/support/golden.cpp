#include "support/golden.h"

#include <algorithm>
#include <cmath>

#include "support/paths.h"

namespace mec::test {

namespace {

std::string path_of(const std::string& name) { return (golden_dir() / (name + ".safetensors")).string(); }

}  // namespace

Golden::Golden(const std::string& name, const Device& device) : path_(path_of(name)), file_(read_safetensors(path_, device)) {}

const Tensor& Golden::find(const std::string& tensor) const {
  const Tensor* found = file_.find(tensor);
  check<IoError>(found != nullptr, path_, ": no tensor ", tensor, "; make it again with tools/make_golden.py");
  return *found;
}

Tensor Golden::at(const std::string& tensor, Dtype dtype) const { return find(tensor).to(dtype); }

std::string Golden::text(const std::string& key) const {
  const auto found = file_.metadata.find(key);
  check<IoError>(found != file_.metadata.end(), path_, ": no metadata ", key, "; make it again with tools/make_golden.py");
  return found->second;
}

double Golden::number(const std::string& key) const {
  const std::string value = text(key);
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  check<IoError>(!value.empty() && *end == '\0', path_, ": metadata ", key, " is ", value, ", not a number");
  return number;
}

SafetensorsFile Golden::part(const std::string& prefix) const {
  SafetensorsFile part;
  for (const NamedTensor& entry : file_.tensors) {
    if (entry.name.starts_with(prefix)) part.tensors.push_back({entry.name.substr(prefix.size()), entry.tensor});
  }
  check<IoError>(!part.tensors.empty(), path_, ": no tensor's name begins with ", prefix);
  return part;
}

Comparison Golden::compare(const std::string& tensor, const Tensor& actual) const {
  const Tensor expected = find(tensor);
  check<DtypeError>(actual.dtype() == Dtype::f64 || actual.dtype() == Dtype::f32, "golden: ", tensor,
                    " is compared in f64 or f32, not ", actual.dtype());
  if (actual.shape() != expected.shape()) {
    return {false, concat(tensor, ": shape ", actual.shape(), " instead of ", expected.shape())};
  }
  const double allowed = actual.dtype() == Dtype::f64 ? 1e-10 : std::max(1e-4, 3 * number("f32_distance." + tensor));

  const auto a = actual.to(Dtype::f64).to_vector<double>(), b = expected.to(Dtype::f64).to_vector<double>();
  double scale = 0, worst = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    scale = std::max(scale, std::fabs(b[i]));
    const double error = std::fabs(a[i] - b[i]);
    if (error <= worst) continue;  // false for NaN, which stays the worst from here on
    worst = error;
    where = i;
    if (std::isnan(worst)) break;
  }
  if (worst <= allowed * scale) return {true, {}};
  return {false, concat(tensor, ": element ", where, " is ", a[where], " instead of ", b[where], ", off by ", worst / scale,
                        " of the largest entry, allowed ", allowed)};
}

}  // namespace mec::test

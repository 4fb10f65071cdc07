#include "mec/cli/embedding_files.h"

#include <optional>

#include "mec/cli/program.h"
#include "mec/eval/features.h"
#include "mec/tensor/io/npy.h"

namespace mec::cli {

Embeddings read_embeddings(const std::string& path, const Device& device) {
  const Tensor x = read_npy(path, device);
  check<DtypeError>(is_floating(x.dtype()), path, ": embeddings are f32 or f64, but the array is ", x.dtype());
  check<ShapeError>(x.rank() == 2, path, ": embeddings are a matrix (m,d), but the array is ", x.shape());
  check_finite(x, path);
  return {x.to(Dtype::f64), x.dtype()};
}

EmbeddingPair read_pair(const EmbeddingPaths& paths, const Device& device) {
  if (!paths.grad_p.empty() && paths.grad_p == paths.grad_z) {
    throw UsageError(concat("--grad-p and --grad-z both name ", paths.grad_p, "; each gradient needs a file of its own"));
  }
  EmbeddingPair pair{read_embeddings(paths.p, device), read_embeddings(paths.z, device)};
  check<ShapeError>(pair.p.values.shape() == pair.z.values.shape() && pair.p.values.numel() > 0, paths.p, " is ",
                    pair.p.values.shape(), " and ", paths.z, " is ", pair.z.values.shape(),
                    ", but both must be (m,d), and not empty");
  return pair;
}

void write_gradients(const EmbeddingPaths& paths, const EmbeddingPair& pair, const Tensor& dp, const Tensor& dz) {
  std::optional<AtomicFile> grad_p, grad_z;
  if (dp) write_npy(grad_p.emplace(paths.grad_p), dp.to(pair.p.dtype));
  if (dz) write_npy(grad_z.emplace(paths.grad_z), dz.to(pair.z.dtype));
  if (grad_p) grad_p->commit();
  if (grad_z) grad_z->commit();
}

}  // namespace mec::cli

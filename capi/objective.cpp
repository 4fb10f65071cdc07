#include <mutex>

#include "mec/capi/arguments.h"
#include "mec/capi/handles.h"
#include "mec/ssl/methods/pair_loss.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/devices.h"

namespace mec::capi {

namespace {

struct ObjectiveOfHandle {
  using Handle = mec_objective;
  static constexpr const char* kName = "objective";
  static constexpr std::uintptr_t kDigit = 3;

  Device device;
  PairLoss loss;
  std::mutex mutex = {};
};

struct Rows {
  Dtype dtype;
  std::int64_t d;
  Device device;

  Tensor read(const void* values, std::int64_t rows, const char* what) const {
    check_address(values, what);
    return Tensor::from_bytes(values, {rows, d}, dtype, device);
  }
};

}  // namespace

}  // namespace mec::capi

using namespace mec;
using namespace mec::capi;

mec_status mec_objective_open(const char* settings, const mec_device* device, mec_objective** objective) {
  return guarded("mec_objective_open", [&] {
    check_address(objective, "the address of the objective");
    *objective = nullptr;
    PairLoss loss(parse_settings(settings ? settings : "", "settings"));
    *objective = handles<ObjectiveOfHandle>().add(std::shared_ptr<ObjectiveOfHandle>(
        new ObjectiveOfHandle{.device = open_device(device).device, .loss = std::move(loss)}));
  });
}

mec_status mec_objective_evaluate(mec_objective* objective, mec_dtype dtype, int64_t m, int64_t d, const void* p, const void* z,
                                  const void* queue, int64_t queue_rows, void* dp, void* dz, mec_figures* figures) {
  return guarded("mec_objective_evaluate", [&] {
    const Use<ObjectiveOfHandle> use(objective);
    check<DtypeError>(dtype == MEC_F32 || dtype == MEC_F64, "embeddings are MEC_F32 or MEC_F64, but dtype is ",
                      static_cast<int>(dtype));
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    check<ShapeError>(m > 0 && d > 0 && m < kMost && d < kMost, "embeddings are (m,d), not empty, but m is ", m, " and d is ",
                      d);
    const Rows rows{.dtype = dtype == MEC_F32 ? Dtype::f32 : Dtype::f64, .d = d, .device = use->device};
    const Tensor P = rows.read(p, m, "p"), Z = rows.read(z, m, "z");
    Tensor Q;
    if (queue != nullptr) {
      check<ShapeError>(queue_rows > 0 && queue_rows < kMost, "the queue is (queue_rows,d), but queue_rows is ", queue_rows);
      Q = rows.read(queue, queue_rows, "queue");
    }
    const PairLoss::Value value = use->loss(P, Z, Q, {.dp = dp != nullptr, .dz = dz != nullptr});
    if (dp != nullptr) value.dp.download(dp);
    if (dz != nullptr) value.dz.download(dz);
    give(value.metrics, figures);
  });
}

mec_status mec_objective_free(mec_objective* objective) {
  return guarded("mec_objective_free", [&] { handles<ObjectiveOfHandle>().free(objective); });
}

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
    check_given(values, what);
    return Tensor::from_bytes(values, {rows, d}, dtype, device);
  }
};

}  // namespace

}  // namespace mec::capi

using namespace mec;
using namespace mec::capi;

mec_status mec_objective_open(const char* settings, const mec_device* device, mec_objective** objective) {
  return guarded("mec_objective_open", [&] {
    open_handle<ObjectiveOfHandle>(objective, [&] {
      PairLoss loss(parse_settings(settings ? settings : "", "settings"));
      return ObjectiveOfHandle{.device = open_device(device).device, .loss = std::move(loss)};
    });
  });
}

mec_status mec_objective_evaluate(mec_objective* objective, const mec_embeddings* embeddings, mec_figures* figures) {
  return guarded("mec_objective_evaluate", [&] {
    const Use<ObjectiveOfHandle> use(objective);
    check_given(embeddings, "embeddings");
    const mec_embeddings given = read_struct(embeddings, mec_embeddings MEC_EMBEDDINGS_INIT, "mec_embeddings");
    check<DtypeError>(given.dtype == MEC_F32 || given.dtype == MEC_F64, "embeddings are MEC_F32 or MEC_F64, but dtype is ",
                      static_cast<int>(given.dtype));
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    check<ShapeError>(given.m > 0 && given.d > 0 && given.m < kMost && given.d < kMost,
                      "embeddings are (m,d), not empty, but m is ", given.m, " and d is ", given.d);
    const Rows rows{.dtype = given.dtype == MEC_F32 ? Dtype::f32 : Dtype::f64, .d = given.d, .device = use->device};
    const Tensor P = rows.read(given.p, given.m, "p"), Z = rows.read(given.z, given.m, "z");
    Tensor Q;
    if (given.queue != nullptr) {
      check<ShapeError>(given.queue_rows > 0 && given.queue_rows < kMost, "the queue is (queue_rows,d), but queue_rows is ",
                        given.queue_rows);
      Q = rows.read(given.queue, given.queue_rows, "queue");
    }
    const PairLoss::Value value = use->loss(P, Z, Q, {.dp = given.dp != nullptr, .dz = given.dz != nullptr});
    if (given.dp != nullptr) value.dp.download(given.dp);
    if (given.dz != nullptr) value.dz.download(given.dz);
    give(value.metrics, figures);
  });
}

mec_status mec_objective_free(mec_objective* objective) {
  return guarded("mec_objective_free", [&] { handles<ObjectiveOfHandle>().free(objective); });
}

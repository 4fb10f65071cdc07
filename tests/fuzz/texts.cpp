// Settings, and the plans of convolutions that a run keeps.
#include <stdexcept>

#include "fuzz/targets.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/backends/cuda/cudnn/plan_choices.h"

namespace mec::fuzz {
namespace {

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

}  // namespace

// What was read is written, and read again: the same settings.
void settings(Bytes bytes) {
  const std::string text = write_settings(read_settings(put("settings.toml", bytes)));
  const std::string again = write_settings(read_settings(put("settings.toml", bytes_of(text))));
  if (again != text) throw std::logic_error("the settings are not as they were written");
}

// The same with the choices of a file.
void plans(Bytes bytes) {
  const cuda::PlanHost host{.cudnn = 91900, .device = "NVIDIA H200", .multiprocessors = 132};
  cuda::PlanChoices choices(host);
  if (!choices.take({bytes.begin(), bytes.end()}).empty()) return;
  choices.disagreement({});
  cuda::PlanChoices again(host);
  const std::string reason = again.take(choices.text());
  if (!reason.empty() || again.text() != choices.text())
    throw std::logic_error("the plans are not as they were written: " + reason);
}

}  // namespace mec::fuzz

#include "mec/nn/files/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iomanip>
#include <set>
#include <utility>

#include "mec/nn/files/weight_values.h"
#include "mec/nn/layout.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/host_bytes.h"

namespace mec {

namespace {

constexpr const char* kVersionKey = "mec_checkpoint";
constexpr const char* kVersion = "1";
constexpr const char* kChecksumKey = "checksum";

// FNV-1a over words of eight bytes, with a rotation. Each step is a bijection of the running value,
// so a change of any one word changes the result.
std::uint64_t digest(const std::string& name, const void* data, std::size_t bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  const auto take = [&](const char* at, std::size_t left) {
    for (; left > 0; at += std::min<std::size_t>(left, 8), left -= std::min<std::size_t>(left, 8)) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, std::min<std::size_t>(left, 8));
      hash = std::rotl(hash ^ word, 29) * 0x100000001b3U;
    }
  };
  take(name.data(), name.size());
  take(static_cast<const char*>(data), bytes);
  return hash;
}

std::uint64_t digest_of(const NamedTensor& named) {
  return digest(named.name, HostBytes(named.tensor).data(), named.tensor.bytes());
}

// Always 16 digits, so that the file's size does not depend on the values.
std::string checksum_text(std::uint64_t digest) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << std::hex << std::setw(16) << std::setfill('0') << digest;
  return text.str();
}

// One checksum for each tensor, so that an error can name the damaged one.
std::string checksum_key(const NamedTensor& named) { return concat(kChecksumKey, ".", named.name); }

// The checksum of the whole content, out of the sum of the tensors' digests. It is a sum, so that
// the order of the entries does not matter.
std::string checksum_of(std::uint64_t sum, const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    if (key != kChecksumKey) sum += digest(key, value.data(), value.size());
  }
  return std::to_string(sum);
}

// Which part is damaged, in a file whose checksum does not match its content.
std::string damaged_part(const SafetensorsFile& content) {
  for (const NamedTensor& named : content.tensors) {
    const auto found = content.metadata.find(checksum_key(named));
    if (found == content.metadata.end() || found->second == checksum_text(digest_of(named))) continue;
    const std::string bad_value = find_bad_value(named.name, named.tensor);
    return concat("tensor '", named.name, "' is not as it was written", bad_value.empty() ? "" : concat(" (", bad_value, ")"));
  }
  return "a name or its metadata is not as it was written";
}

}  // namespace

State state_of(Module& module, const std::string& prefix) {
  State state;
  for (const auto& [name, parameter] : parameters_of(module, prefix)) {
    state.push_back({name, parameter.value.data(), parameter.file_channels});
  }
  for (const auto& [name, buffer] : buffers_of(module, prefix)) state.push_back({name, buffer});
  return state;
}

State state_of(const Optimizer& optimizer, const ParameterTable& table, Module& module) {
  State state;
  for (const NamedBuffer& kept : optimizer.state()) {
    if (kept.tensor.shape() != table.values().shape()) {
      state.push_back({kept.name, kept.tensor});
      continue;
    }
    for (const auto& [name, parameter] : parameters_of(module)) {
      const auto entry = std::ranges::find(table.entries(), name, &ParameterTable::Entry::name);
      check<ValueError>(entry != table.entries().end(), "state_of: the table has no ", name);
      state.push_back(
          {concat(kept.name, ".", name), kept.tensor.segment(entry->offset, entry->shape), parameter.file_channels});
    }
  }
  return state;
}

State copy_to_host(const State& state, const Device& host) {
  State copies;
  for (const auto& [name, tensor, channels] : state) {
    const Tensor copy(tensor.shape(), tensor.dtype(), host);
    tensor.download(copy.out().data);
    copies.push_back({name, copy, channels});
  }
  return copies;
}

void save_state(const std::filesystem::path& path, State state, const std::map<std::string, std::string>& metadata) {
  const Device host = make_reference_device();
  SafetensorsFile content{.metadata = metadata, .tensors = {}};
  content.metadata[kVersionKey] = std::string(kVersion);
  std::uint64_t sum = 0;
  for (auto& [name, tensor, channels] : state) {
    // In a device's memory the file's form would stay in the device's allocator.
    Tensor readable = std::exchange(tensor, {});
    if (!readable.backend().host_readable()) readable = readable.to(host);
    content.tensors.push_back({name, to_file_form(readable, channels)});
    const std::uint64_t digest = digest_of(content.tensors.back());
    content.metadata[checksum_key(content.tensors.back())] = checksum_text(digest);
    sum += digest;
  }
  content.metadata[kChecksumKey] = checksum_of(sum, content.metadata);
  write_safetensors(path, content);
}

SafetensorsFile load_state(const std::filesystem::path& path) {
  SafetensorsFile content = read_safetensors(path, make_reference_device());
  const std::string version = content.metadata[kVersionKey];
  check<IoError>(!version.empty(), path.string(), ": not a checkpoint: its metadata has no '", kVersionKey, "'");
  check<IoError>(version == kVersion, path.string(), ": a checkpoint in version ", version, " of the format, but only ",
                 kVersion, " is known");
  std::uint64_t sum = 0;
  for (const NamedTensor& named : content.tensors) sum += digest_of(named);
  check<IoError>(content.metadata[kChecksumKey] == checksum_of(sum, content.metadata), path.string(),
                 ": the checkpoint is damaged: ", damaged_part(content));
  for (const NamedTensor& named : content.tensors) check_weight_values(path.string(), named.name, named.tensor);
  return content;
}

std::string first_few(const std::vector<std::string>& findings) {
  constexpr std::size_t kTold = 3;
  std::string told;
  for (std::size_t i = 0; i < std::min(kTold, findings.size()); ++i) told += concat(i > 0 ? "; " : "", findings[i]);
  if (findings.size() > kTold) told += concat("; and ", findings.size() - kTold, " more");
  return told;
}

void restore_state(const SafetensorsFile& content, const std::string& file, const State& state) {
  std::vector<std::string> problems;
  std::set<std::string> known;
  for (const auto& [name, tensor, channels] : state) {
    known.insert(name);
    const Tensor* found = content.find(name);
    const Shape shape = file_shape(tensor.shape(), channels);
    if (!found) problems.push_back(concat(name, " is missing"));
    else if (found->shape() != shape || found->dtype() != tensor.dtype())
      problems.push_back(
          concat(name, " is ", found->dtype(), " ", found->shape(), " in the file, but ", tensor.dtype(), " ", shape, " here"));
  }
  for (const NamedTensor& in_file : content.tensors) {
    if (!known.contains(in_file.name)) problems.push_back(in_file.name + " is unknown here");
  }
  check<IoError>(problems.empty(), file, ": the checkpoint does not fit; ", first_few(problems));

  for (const auto& [name, tensor, channels] : state) {
    tensor.copy_from(to_memory_form(*content.find(name), tensor.shape(), channels));
  }
}

}  // namespace mec

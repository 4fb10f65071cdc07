// Runs of the real program that are stopped and go on.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "support/program.h"

namespace mec::test {

// All files but the ranks' logs, and of the checkpoints only the newest: whether there is time for
// one of the others depends on the disk.
inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory()) continue;
    if (!name.starts_with("checkpoint-") || entry.path() == newest_checkpoint_in(folder).path)
      files[name] = read_bytes(entry.path());
  }
  return files;
}

inline bool has_temporary(const std::filesystem::path& folder) {
  std::error_code ignored;  // files come and go
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoint-") && name.ends_with(".tmp")) return true;
  }
  return false;
}

inline const std::vector<std::string> kNoCheckpoints{"train.checkpoint_epochs=0", "train.checkpoint_minutes=0"};

// A run of four epochs of ten steps.
struct ResumeFixture : RunFixture {
  ResumeFixture() { write_images(folder / "data", 160, 20); }

  std::vector<std::string> start(const std::string& out, const std::string& method,
                                 const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"pretrain", "--threads", "1", config, "--out", at(out)};
    const auto set = [&](const std::string& assignment) { all.insert(all.end(), {"--set", assignment}); };
    set("method=" + method);
    for (const char* text : {"train.epochs=4", "train.warmup_epochs=1", "train.batch=16", "train.lr=0.05", "model.dim=16",
                             "model.proj_hidden=16"}) {
      set(text);
    }
    if (method == "moco-v2" || method == "swav") set(method + ".queue=32");
    if (method == "swav") set("swav.queue_epoch=1");
    if (method == "swav") set("model.prototypes=12");
    for (const std::string& assignment : more) set(assignment);
    return all;
  }
  std::vector<std::string> resume(const std::string& out) const { return {"pretrain", "--threads", "1", "--resume", at(out)}; }
  // The one command that begins or goes on.
  std::vector<std::string> go(const std::string& out, const std::string& method,
                              const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = start(out, method, more);
    all.emplace_back("--resume");
    return all;
  }

  void stop_early() const { RunFixture::stop_early(start("run", "mec"), "run", 40); }

  // All but times.
  void check_same(const std::string& a, const std::string& b) const {
    const auto left = contents(at(a)), right = contents(at(b));
    REQUIRE(left.size() == right.size());
    for (const auto& entry : left) {
      const auto& [name, bytes] = entry;
      CAPTURE(entry.first);
      REQUIRE(right.contains(name));
      if (name == "timings.jsonl") CHECK(std::ranges::count(bytes, '\n') == std::ranges::count(right.at(name), '\n'));
      else CHECK(bytes == right.at(name));
    }
  }

  // Nothing is made, removed or changed.
  void fails(int status, const std::string& why, const std::vector<std::string>& arguments) const {
    const auto before = contents(at("run"));
    check_fails(folder, status, why, arguments);
    CHECK(contents(at("run")) == before);
  }
};

}  // namespace mec::test

#include "mec/ssl/run/rank_log.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "mec/distributed/agreement.h"
#include "mec/tensor/error.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

double rounded(double seconds) { return std::round(seconds * 1e3) / 1e3; }

}  // namespace

void RankLog::add(const std::string& line) {
  lines_ += concat(time_text(), " ", printable(line), "\n");
  if (!file_.empty() && write()) lines_.clear();
}

bool RankLog::write() {
  std::ofstream file(file_, std::ios::app | std::ios::binary);
  file << lines_;
  file.close();
  return file.good();
}

// A rank sees the first one's folder where it finds the line there that the first one has just
// written: another machine may have a folder of the same name.
std::vector<int> RankLog::open(const std::filesystem::path& run) {
  const std::filesystem::path folder = run / kRanksFolder, first = folder / "0.log",
                              own = folder / concat(ranks_->rank(), ".log");
  add(concat("process ", ranks_->rank(), " of ", ranks_->size(), ", number ", ::getpid(), " of its machine, trains into ",
             run.string()));
  bool sees = false;
  if (ranks_->rank() == 0) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    file_ = own;
    sees = write();
  }
  const std::string written = ranks_->broadcast(lines_);
  if (ranks_->rank() > 0) {
    std::ostringstream there;
    there << std::ifstream(first, std::ios::binary).rdbuf();
    file_ = own;
    sees = there.str().ends_with(written) && write();
  }
  lines_.clear();
  if (!sees) file_.clear();
  std::vector<int> missing;
  const std::vector<std::string> all = gather_texts(sees ? "" : "missing", *ranks_);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (!all[rank].empty()) missing.push_back(static_cast<int>(rank));
  }
  return missing;
}

void RankLog::on_step(const StepReport& report) {
  ++steps_;
  seconds_ += report.seconds;
  waited_ += report.data_seconds;
  longest_ = std::max(longest_, report.data_seconds);
}

void RankLog::on_epoch(std::int64_t epoch, Learner&) {
  add(concat("epoch ", epoch, ": ", counted(steps_, "step"), " in ", rounded(seconds_), " s; waited for images for ",
             rounded(waited_), " s, at most ", rounded(longest_), " s before a step"));
  steps_ = 0;
  seconds_ = waited_ = longest_ = 0;
}

}  // namespace mec

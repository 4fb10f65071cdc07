#include "mec/cli/places.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "mec/cli/note.h"
#include "mec/distributed/agreement.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct Place {
  std::string host;
  std::set<int> processors;  // that the process may use
  int threads = 1;           // of a CPU device
  int gpus = 0, gpu = 0;     // that the process may use, and which one it does; with --device cuda
  std::string gpu_uuid;
};

std::set<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::set<int> all;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) all.insert(i);
  }
  return all;
}

int threads_of(const DeviceOptions& device) {
  if (device.device == "reference") return 1;
  return device.threads > 0 ? device.threads : describe_cpu().threads;
}

// Every rank's place.
std::vector<Place> gather_places(const DeviceOptions& device, Communicator& ranks) {
  const auto gpus = device.device == "cuda" ? describe_cuda().devices : std::vector<CudaDeviceDescription>{};
  const auto gpu = static_cast<std::size_t>(device.gpu);
  std::string own = concat(host_name(), ' ', threads_of(device), ' ', gpus.size(), ' ', gpu, ' ',
                           gpu < gpus.size() ? gpus[gpu].uuid : "none");
  for (const int processor : allowed_processors()) own += concat(' ', processor);
  std::vector<Place> places;
  for (const std::string& text : gather_texts(own, ranks)) {
    std::istringstream words(text);
    Place place;
    words >> place.host >> place.threads >> place.gpus >> place.gpu >> place.gpu_uuid;
    for (int processor = 0; words >> processor;) place.processors.insert(processor);
    places.push_back(place);
  }
  return places;
}

std::size_t count_gpus(const std::vector<Place>& places) {
  std::set<std::string> gpus;
  for (const Place& place : places) gpus.insert(place.gpu_uuid);
  return gpus.size();
}

// Of the ranks on each machine.
void note_sharing(const std::vector<Place>& places) {
  std::map<std::string, std::vector<Place>> machines;
  for (const Place& place : places) machines[place.host].push_back(place);
  for (const auto& [host, here] : machines) {
    if (here.front().gpus > 0) {
      const std::size_t gpus = count_gpus(here);
      if (gpus < here.size()) note(concat(here.size(), " processes on ", host, " share ", counted(gpus, "GPU")));
      continue;
    }
    std::set<int> processors;
    int threads = 0;
    for (const Place& place : here) {
      processors.insert(place.processors.begin(), place.processors.end());
      threads += place.threads;
    }
    if (threads > std::ssize(processors)) {
      note(concat(here.size(), " processes on ", host, " have ", threads, " threads for ",
                  counted(processors.size(), "processor"), ", and will wait for each other"));
    }
  }
}

// "0-3,8".
std::string ranges_of(const std::set<int>& numbers) {
  std::string text;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const int first = *at;
    int last = first;
    for (++at; at != numbers.end() && *at == last + 1; ++at) last = *at;
    text += concat(text.empty() ? "" : ",", first);
    if (last > first) text += concat('-', last);
  }
  return text;
}

}  // namespace

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

void take_share(DeviceOptions& device, Communicator& ranks) {
  const std::vector<Place> places = gather_places(device, ranks);
  const Place& own = places[static_cast<std::size_t>(ranks.rank())];
  int sharing = 0, before = 0;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const Place& other = places[static_cast<std::size_t>(rank)];
    if (other.host != own.host) continue;
    before += rank < ranks.rank() ? 1 : 0;
    sharing += other.processors == own.processors ? 1 : 0;
  }
  if (device.threads == 0 && !std::getenv("OMP_NUM_THREADS"))
    device.threads = std::max(1, static_cast<int>(own.processors.size()) / sharing);
  if (own.gpus > 0) device.gpu = before % own.gpus;
  const std::vector<Place> shares = gather_places(device, ranks);
  if (ranks.rank() == 0) note_sharing(shares);
}

bool share_gpus(const DeviceOptions& device, Communicator& ranks) {
  const std::vector<Place> places = gather_places(device, ranks);
  return count_gpus(places) < places.size();
}

std::vector<std::string> describe_places(const DeviceOptions& device, Communicator& ranks) {
  std::vector<std::string> lines;
  for (const Place& place : gather_places(device, ranks)) {
    const std::string gpu = place.gpus > 0 ? concat(", GPU ", place.gpu) : "";
    lines.push_back(concat("process ", lines.size(), " of ", ranks.size(), ", on ", place.host, ": ",
                           counted(place.threads, "thread"), " on ",
                           place.processors.size() == 1 ? "processor " : "processors ", ranges_of(place.processors), gpu));
  }
  return lines;
}

}  // namespace mec::cli

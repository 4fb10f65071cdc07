#include "mec/distributed/launcher.h"

#ifdef MEC_MPI_BUILD
#include <dlfcn.h>
#endif

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "mec/distributed/host_communicator.h"
#include "mec/distributed/mpi/functions.h"
#include "mec/tensor/io/module_paths.h"

namespace mec {

namespace {

std::optional<int> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (!text) return std::nullopt;
  const std::string_view view(text);
  int value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < 1) return std::nullopt;
  return value;
}

#ifdef MEC_MPI_BUILD
// Null where there is no module; then `reason` says why.
const MpiFunctions* open_module(std::string& reason) {
  reason = "there is no mec_mpi.so of it";
  for (const std::filesystem::path& path : module_paths(MEC_MPI_INSTALLED, MEC_MPI_BUILD)) {
    std::error_code failed;
    if (!std::filesystem::exists(path, failed)) continue;
    void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    const auto get = module ? reinterpret_cast<GetMpiFunctions>(dlsym(module, kMpiFunctionsSymbol)) : nullptr;
    if (get) return get();
    reason = dlerror();
  }
  return nullptr;
}
#else  // no module was made, and a static program could open none
const MpiFunctions* open_module(std::string& reason) {
  reason = "it was built without";
  return nullptr;
}
#endif

const MpiFunctions& module_of(const Launch& launch) {
  std::string reason;
  const MpiFunctions* const functions = open_module(reason);
  check<DeviceError>(functions != nullptr, "this is one of ", launch.size, " processes (", launch.variable,
                     "), but this build cannot join them over MPI: ", reason,
                     "; take a build with -DMEC_MPI=ON, which a static one cannot be, or start one process");
  return *functions;
}

void demand(const char* failure) { check<DeviceError>(failure == nullptr, "MPI: ", failure ? failure : ""); }

// MPI, from its start to its end.
class Mpi {
 public:
  explicit Mpi(const Launch& launch) : functions_(module_of(launch)) {
    demand(functions_.start(&rank_, &size_, patience()));
    check<DeviceError>(size_ == launch.size, "the launcher started ", launch.size, " processes (", launch.variable, "), but ",
                       functions_.library(), " sees ", size_, "; launch with the mpirun of that MPI");
  }
  ~Mpi() { functions_.finish(); }
  Mpi(const Mpi&) = delete;
  Mpi& operator=(const Mpi&) = delete;

  const MpiFunctions& functions() const { return functions_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

 private:
  const MpiFunctions& functions_;
  int rank_ = 0, size_ = 1;
};

class MessageOfMpi : public Message {
 public:
  explicit MessageOfMpi(const MpiFunctions& functions) : functions_(functions) {}
  bool done() override {
    int done = 0;
    demand(functions_.test(&message_, &done));
    return done != 0;
  }
  void wait() override { demand(functions_.wait(&message_)); }
  MpiMessage* begun() { return &message_; }

 private:
  const MpiFunctions& functions_;
  MpiMessage message_ = 0;
};

class MpiCommunicator : public HostCommunicator {
 public:
  explicit MpiCommunicator(std::shared_ptr<const Mpi> mpi) : mpi_(std::move(mpi)), rank_(mpi_->rank()), size_(mpi_->size()) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  CommunicatorPtr split(int group) override {
    maximum(0);  // all are there: MPI's own call would wait for ever
    auto part = std::make_shared<MpiCommunicator>(mpi_);
    demand(mpi_->functions().split(ranks_, group, &part->ranks_, &part->rank_, &part->size_));
    return part;
  }
  void end_all(int status) override { mpi_->functions().abort(status); }

 protected:
  void gather_bytes(std::span<const std::byte> from, std::span<std::byte> to) override { begin_gather(from, to)->wait(); }
  void exchange_bytes(std::span<const std::byte> from, std::span<std::byte> to) override { begin_exchange(from, to)->wait(); }
  void broadcast_bytes(std::span<std::byte> bytes) override {
    begin([&](MpiMessage* begun) { return mpi_->functions().broadcast(ranks_, bytes.data(), bytes.size(), begun); })->wait();
  }
  std::unique_ptr<Message> begin_gather(std::span<const std::byte> from, std::span<std::byte> to) override {
    return begin(
        [&](MpiMessage* begun) { return mpi_->functions().gather(ranks_, from.data(), to.data(), from.size(), begun); });
  }
  std::unique_ptr<Message> begin_exchange(std::span<const std::byte> from, std::span<std::byte> to) override {
    const std::size_t block = from.size() / static_cast<std::size_t>(size_);
    return begin([&](MpiMessage* begun) { return mpi_->functions().exchange(ranks_, from.data(), to.data(), block, begun); });
  }

 private:
  template <class Call> std::unique_ptr<Message> begin(Call call) const {
    auto message = std::make_unique<MessageOfMpi>(mpi_->functions());
    demand(call(message->begun()));
    return message;
  }

  std::shared_ptr<const Mpi> mpi_;
  int ranks_ = 0;  // MpiFunctions' number of them
  int rank_, size_;
};

}  // namespace

std::optional<Launch> find_launch() {
  if (number_in("MEC_PROCESSES") == 1) return std::nullopt;
  // Open MPI; MPICH and its kin; Slurm, of a step (srun), not of the job around it.
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    const int processes = number_in(variable).value_or(1);
    if (processes > 1) return Launch{.size = processes, .variable = variable};
  }
  return std::nullopt;
}

int patience() {
  const char* const text = std::getenv("MEC_PATIENCE");
  const std::optional<int> seconds = number_in("MEC_PATIENCE");
  check<ValueError>(!text || seconds, "MEC_PATIENCE is a number of seconds from 1, but is '", text ? text : "", "'");
  return seconds.value_or(1800);
}

std::string describe_mpi() {
  std::string reason;
  const MpiFunctions* const functions = open_module(reason);
  return functions ? functions->library() : "";
}

CommunicatorPtr join_processes() {
  const std::optional<Launch> launch = find_launch();
  if (!launch) return one_process();
  return std::make_shared<MpiCommunicator>(std::make_shared<const Mpi>(*launch));
}

}  // namespace mec

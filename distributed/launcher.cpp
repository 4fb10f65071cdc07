#include "mec/distributed/launcher.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "mec/distributed/host_communicator.h"
#include "mec/distributed/mpi/functions.h"

namespace mec {

namespace {

#ifdef MEC_MPI_FILE
const std::filesystem::path kBuilt = MEC_MPI_FILE;
#else
const std::filesystem::path kBuilt;
#endif

std::optional<int> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (!text) return std::nullopt;
  const std::string_view view(text);
  int value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < 1) return std::nullopt;
  return value;
}

// The module: where it is installed beside the program, or where it was built. Null where there is
// none; then `reason` says why.
const MpiFunctions* open_module(std::string& reason) {
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  reason = "there is no mec_mpi.so of it";
  for (const std::filesystem::path& path : {program.parent_path().parent_path() / "lib/mec/mec_mpi.so", kBuilt}) {
    if (!std::filesystem::exists(path, failed)) continue;
    void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    const auto get = module ? reinterpret_cast<GetMpiFunctions>(dlsym(module, kMpiFunctionsSymbol)) : nullptr;
    if (get) return get();
    reason = dlerror();
  }
  return nullptr;
}

const MpiFunctions& module_of(const Launch& launch) {
  std::string reason;
  const MpiFunctions* const functions = open_module(reason);
  check<DeviceError>(functions != nullptr, "this is one of ", launch.size, " processes (", launch.variable,
                     "), but this build cannot join them over MPI: ", reason,
                     "; build it with -DMEC_MPI=ON, or start one process");
  return *functions;
}

class MpiCommunicator : public HostCommunicator {
 public:
  explicit MpiCommunicator(const Launch& launch) : mpi_(module_of(launch)) {
    demand(mpi_.start(&rank_, &size_, number_in("MEC_PATIENCE").value_or(1800)));
    check<DeviceError>(size_ == launch.size, "the launcher started ", launch.size, " processes (", launch.variable, "), but ",
                       mpi_.library(), " sees ", size_, "; launch with the mpirun of that MPI");
  }
  ~MpiCommunicator() override { mpi_.finish(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name() const override { return mpi_.library(); }
  void end_all(int status) override { mpi_.abort(status); }

 protected:
  void gather_bytes(std::span<const std::byte> from, std::span<std::byte> to) override {
    demand(mpi_.gather(from.data(), to.data(), from.size()));
  }
  void exchange_bytes(std::span<const std::byte> from, std::span<std::byte> to) override {
    demand(mpi_.exchange(from.data(), to.data(), from.size() / static_cast<std::size_t>(size_)));
  }
  void broadcast_bytes(std::span<std::byte> bytes) override { demand(mpi_.broadcast(bytes.data(), bytes.size())); }

 private:
  void demand(const char* failure) const { check<DeviceError>(failure == nullptr, "MPI: ", failure ? failure : ""); }

  const MpiFunctions& mpi_;
  int rank_ = 0, size_ = 1;
};

}  // namespace

std::optional<Launch> find_launch() {
  // Open MPI; MPICH and its kin; Slurm, of a step (srun), not of the job around it.
  const std::pair<const char*, const char*> variables[] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
                                                           {"PMI_SIZE", "MPI_LOCALNRANKS"},
                                                           {"SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE"}};
  for (const auto& [size, local_size] : variables) {
    const std::optional<int> processes = number_in(size);
    if (processes.value_or(1) > 1)
      return Launch{.size = *processes, .local_size = number_in(local_size).value_or(1), .variable = size};
  }
  return std::nullopt;
}

std::string describe_mpi() {
  std::string reason;
  const MpiFunctions* const functions = open_module(reason);
  return functions ? functions->library() : "";
}

CommunicatorPtr join_processes() {
  const std::optional<Launch> launch = find_launch();
  if (!launch) return one_process();
  return std::make_shared<MpiCommunicator>(*launch);
}

}  // namespace mec

#include "mec/data/loader/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <numeric>
#include <set>
#include <system_error>
#include <thread>

#include "mec/data/loader/batch_builder.h"
#include "mec/tensor/philox.h"

namespace mec {
namespace {

constexpr std::chrono::milliseconds kGiveUpInterval{100};

// A batch that is being made.
struct Slot {
  std::int64_t epoch = 0;
  std::int64_t index = 0;
  std::vector<std::int64_t> ids;
  std::unique_ptr<BatchBuilder> builder;
  std::int64_t taken = 0;    // images that a thread has begun
  std::int64_t done = 0;     // images that are finished
  std::exception_ptr error;  // of the first image, in batch order, that failed
  std::int64_t error_at = std::numeric_limits<std::int64_t>::max();
  std::vector<std::vector<BrokenImage>> skipped;  // by the place that they leave

  std::int64_t count() const { return static_cast<std::int64_t>(ids.size()); }
};

struct Chunk {
  Slot* slot = nullptr;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

void check_options(const Dataset& dataset, const LoaderOptions& o) {
  check<ValueError>(o.batch > 0, "loader: a batch has at least one image, but batch is ", o.batch);
  check<ValueError>(!o.drop_last || o.batch <= dataset.size(), "loader: a batch of ", o.batch,
                    " images cannot be taken from a data set of ", dataset.size(), "; choose a smaller batch");
  check<ValueError>(dataset.size() > 0, "loader: the data set has no images");
  // The counter of the random numbers has 32 bits for the sample and 32 for the epoch.
  constexpr std::int64_t kMax = std::int64_t{1} << 32;
  check<ValueError>(dataset.size() <= kMax && o.epochs <= kMax, "loader: ", dataset.size(), " images and ", o.epochs,
                    " epochs; at most 2^32 of each are possible");
  check<ValueError>(o.epochs >= 0 && o.first_epoch >= 0 && o.first_batch >= 0, "loader: epochs ", o.epochs, ", first_epoch ",
                    o.first_epoch, " and first_batch ", o.first_batch, " must not be negative");
  check<ValueError>(o.workers >= 0 && o.workers <= 1024, "loader: workers are between 0 and 1024, not ", o.workers);
  check<ValueError>(o.broken_limit >= 0, "loader: broken_limit is not negative, but is ", o.broken_limit);
  check<ValueError>(o.ranks >= 1 && o.rank >= 0 && o.rank < o.ranks && (!o.drop_last || o.batch % o.ranks == 0),
                    "loader: rank ", o.rank, " of ", o.ranks,
                    " takes its part of full batches, which the ranks divide, but batch is ", o.batch);
  check<ValueError>(o.ranks == 1 || o.drop_last || (o.first_epoch == 0 && o.first_batch == 0 && o.epochs == 1),
                    "loader: several ranks give whole batches of one epoch, but first_epoch is ", o.first_epoch,
                    ", first_batch ", o.first_batch, " and epochs ", o.epochs);
  check<ValueError>(o.prefetch > 0 && o.prefetch <= 1024, "loader: prefetch is between 1 and 1024 batches, not ", o.prefetch);
}

}  // namespace

std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  RandomStream random(seed, 0, static_cast<std::uint64_t>(epoch), Purpose::shuffle);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

// Slots form a ring. The consumer alone numbers batches and refills slots; workers take chunks of
// the oldest slot that has some left. `mutex` guards the counters; pixels are written outside of
// it, each by one thread.
struct Loader::Impl {
  Impl(DatasetPtr dataset_in, TransformPtr transform_in, const LoaderOptions& options_in, Device device_in)
      : dataset(std::move(dataset_in)), transform(std::move(transform_in)), options(options_in), device(std::move(device_in)) {
    check<ValueError>(dataset && transform && device, "loader: data set, transform and device must all be given");
    check_options(*dataset, options);
    per_epoch = dataset->size() / options.batch;
    if (!options.drop_last && dataset->size() % options.batch != 0) ++per_epoch;
    check<ValueError>(options.first_batch <= per_epoch, "loader: first_batch is ", options.first_batch, ", but an epoch has ",
                      per_epoch, " batches");
    validate(transform->normalization(), dataset->info().channels);
    turn = options.drop_last ? 1 : options.ranks;
    position = options.first_epoch * per_epoch + options.first_batch + (options.drop_last ? 0 : options.rank);
    end = options.epochs * per_epoch;

    slots.resize(options.workers == 0 ? 1 : static_cast<std::size_t>(options.prefetch));
    for (Slot& slot : slots) slot.builder = make_batch_builder(transform, dataset->info().channels, device);
    filled = position;
    for (std::size_t i = 0; i < slots.size(); ++i) fill_next_slot();
    try {
      for (int i = 0; i < options.workers; ++i) threads.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      const std::size_t made = threads.size();
      stop_threads();
      throw Error(concat("loader: the system gives ", made, " of the ", options.workers, " threads that are to read images (",
                         error.code().message(), "; limits on processes or memory: ulimit -u, ulimit -v, pids.max); ",
                         "choose fewer with data.workers or --workers: 0 reads without any"));
    }
  }
  ~Impl() { stop_threads(); }

  void stop_threads() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    work_to_do.notify_all();
    for (auto& thread : threads) thread.join();
  }

  Slot& slot_of(std::int64_t batch) { return slots[static_cast<std::size_t>(batch / turn) % slots.size()]; }

  // Prepares the next batch in its slot; the slot's previous batch must have been handed over. Call
  // with `mutex` held or before there are threads.
  void fill_next_slot() {
    if (filled >= end) return;
    Slot& slot = slot_of(filled);
    slot.epoch = filled / per_epoch;
    slot.index = filled % per_epoch;
    if (options.shuffle && order_epoch != slot.epoch) {
      order = epoch_order(dataset->size(), options.seed, slot.epoch);
      order_epoch = slot.epoch;
    }
    const std::int64_t own = options.drop_last ? options.batch / options.ranks : options.batch;
    const std::int64_t begin = slot.index * options.batch + (options.drop_last ? options.rank * own : 0);
    slot.ids.resize(static_cast<std::size_t>(std::min(own, dataset->size() - begin)));
    for (std::size_t i = 0; i < slot.ids.size(); ++i) {
      const std::int64_t at = begin + static_cast<std::int64_t>(i);
      slot.ids[i] = options.shuffle ? order[static_cast<std::size_t>(at)] : at;
    }
    slot.skipped.assign(slot.ids.size(), {});
    slot.builder->start(slot.count());
    slot.taken = slot.done = 0;
    filled += turn;
  }

  // The next images that nobody has begun, of the oldest batch first. Call with `mutex` held.
  Chunk take_chunk() {
    for (std::int64_t batch = position; batch < filled; batch += turn) {
      Slot& slot = slot_of(batch);
      if (slot.taken == slot.count()) continue;
      const std::int64_t begin = slot.taken;
      slot.taken = std::min(begin + BatchBuilder::kChunk, slot.count());
      return {&slot, begin, slot.taken};
    }
    return {};
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      Chunk chunk;
      work_to_do.wait(lock, [&] { return stop || (chunk = take_chunk()).slot != nullptr; });
      if (stop) return;
      lock.unlock();
      std::int64_t at = chunk.begin;
      std::exception_ptr error;
      try {
        for (; at < chunk.end; ++at) add_image(*chunk.slot, at);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      finish_chunk(chunk, at, error);
    }
  }

  // Call with `mutex` held.
  void finish_chunk(const Chunk& chunk, std::int64_t failed_at, const std::exception_ptr& error) {
    Slot& slot = *chunk.slot;
    if (error && failed_at < slot.error_at) {
      slot.error = error;
      slot.error_at = failed_at;
    }
    slot.done += chunk.end - chunk.begin;
    if (slot.done == slot.count()) batch_done.notify_one();
  }

  // Touches what belongs to this place alone: other threads add other images of the batch.
  void add_image(Slot& slot, std::int64_t at) const {
    const auto place = static_cast<std::size_t>(at);
    const ViewKey key{.seed = options.seed,
                      .sample = static_cast<std::uint64_t>(slot.ids[place]),
                      .epoch = static_cast<std::uint64_t>(slot.epoch)};
    slot.builder->add(at, read_whole(slot.ids[place], key, slot.skipped[place]), key);
  }

  // The image `id`, or where it is broken and may be skipped, the first whole one of those that the
  // key draws; `id` becomes its number.
  Image read_whole(std::int64_t& id, const ViewKey& key, std::vector<BrokenImage>& skipped) const {
    constexpr std::uint32_t kReplacement = 1;  // epoch_order() draws with 0
    RandomStream random(key.seed, key.sample, key.epoch, Purpose::shuffle, kReplacement);
    std::set<std::int64_t> broken;
    skipped.clear();
    for (std::int64_t drawn = id;; drawn = random.below(static_cast<std::uint64_t>(dataset->size()))) {
      try {
        Image image = dataset->read(drawn);
        id = drawn;
        return image;
      } catch (const IoError& error) {
        if (options.on_broken == OnBroken::stop) throw BrokenImageError(error.what());
        if (broken.insert(drawn).second) skipped.push_back({drawn, error.what()});
      }
      const auto count = std::ssize(broken);
      check<BrokenImageError>(count < dataset->size() && count <= options.broken_limit, skipped.front().message,
                              "; it cannot be skipped: of the images drawn in its place ", count - 1, " are broken, too");
    }
  }

  Batch hand_over(const Slot& slot) const {
    Batch batch{.epoch = slot.epoch, .index = slot.index, .views = slot.builder->finish(), .ids = slot.ids, .labels = {}};
    if (dataset->info().has_labels) {
      for (const auto id : slot.ids) batch.labels.push_back(dataset->label(id));
    }
    return batch;
  }

  std::optional<Batch> next() {
    if (position >= end) return std::nullopt;
    Slot& slot = slot_of(position);
    if (threads.empty()) {
      while (slot.done < slot.count()) {
        add_image(slot, slot.done);
        ++slot.done;
      }
    } else {
      std::unique_lock lock(mutex);
      const auto done = [&] { return slot.done == slot.count(); };
      while (!batch_done.wait_for(lock, kGiveUpInterval, done)) {
        if (options.give_up && options.give_up()) return std::nullopt;
      }
      if (slot.error) std::rethrow_exception(slot.error);
    }
    for (const auto& images : slot.skipped) {
      for (const BrokenImage& image : images) {
        if (options.on_skipped) options.on_skipped(image);
      }
    }
    Batch batch = hand_over(slot);
    {
      const std::lock_guard lock(mutex);
      position += turn;
      fill_next_slot();
    }
    work_to_do.notify_all();
    return batch;
  }

  DatasetPtr dataset;
  TransformPtr transform;
  LoaderOptions options;
  Device device;
  std::int64_t per_epoch = 0;

  std::mutex mutex;
  std::condition_variable work_to_do;
  std::condition_variable batch_done;
  bool stop = false;
  std::vector<Slot> slots;
  std::int64_t turn = 1;      // from one batch of this rank to its next
  std::int64_t position = 0;  // the batch that next() gives, counted over all epochs
  std::int64_t filled = 0;    // the batch that is prepared next, counted likewise
  std::int64_t end = 0;
  std::vector<std::int64_t> order;
  std::int64_t order_epoch = -1;
  std::vector<std::thread> threads;
};

Loader::Loader(DatasetPtr dataset, TransformPtr transform, const LoaderOptions& options, Device device)
    : impl_(std::make_unique<Impl>(std::move(dataset), std::move(transform), options, std::move(device))) {}

Loader::~Loader() = default;

std::int64_t Loader::batches_per_epoch() const { return impl_->per_epoch; }

std::optional<Batch> Loader::next() { return impl_->next(); }

}  // namespace mec

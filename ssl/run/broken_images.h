// The images that a run skips: broken.txt, which names them, and the limit on their number.
//
// A line of the file: the image's number in the data set that is trained on (from 0), or of other
// images, on which encoders are scored, their name and its number there ("test 5"); a tab; and why
// it was skipped, beginning with its path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "mec/data/loader/broken_images.h"
#include "mec/distributed/communicator.h"
#include "mec/ssl/training/trainer.h"

namespace mec {

// Of several ranks, each meets images of its own, and the first one keeps the file. The others'
// reach it after each step was launched, as the observer of all ranks; images of an epoch's scores
// after these.
class BrokenImages : public Observer {
 public:
  // The file is read when the first image is added: a run that is resumed goes on with its lines.
  // `note` is told of the first image; the file has the others. Before open(), which the run calls
  // once it has its folder, images are not kept.
  BrokenImages(std::filesystem::path file, std::int64_t limit, std::function<void(const std::string& line)> note,
               CommunicatorPtr ranks = one_process());

  void open() { open_ = true; }

  // An image that is new becomes a line of the file, on the disk when this returns; one whose path
  // or reason has changed since, as after a resume, replaces its line. Lines are in the order of
  // their numbers, so that the file does not depend on when or how often an image was met. Where
  // the file cannot be written (on a full disk), that is told once, and tried again with the next
  // image. IoError where the images are more than the limit.
  void add(const BrokenImage& image);
  // The same of an image of other images, of this name. One that is trained on, too, is known by
  // its message, and has one line.
  void add(const std::string& of, const BrokenImage& image);
  // All ranks call it: adds to the first one's what the others have met since.
  void share();
  void on_launch() override { share(); }
  void on_epoch(std::int64_t /*epoch*/, Learner&) override { share(); }
  // IoError where the file cannot be written now, either.
  void finish();

 private:
  using Key = std::pair<std::string, std::int64_t>;  // a name, "" of what is trained on, and a number

  void add(const Key& key, const std::string& message);
  void write();

  std::filesystem::path file_;
  std::int64_t limit_;
  std::function<void(const std::string&)> note_;
  CommunicatorPtr ranks_;
  std::string met_;  // of another rank than the first: lines that it does not have yet
  std::optional<std::map<Key, std::string>> messages_;
  bool open_ = false, unwritten_ = false, told_ = false;
};

}  // namespace mec

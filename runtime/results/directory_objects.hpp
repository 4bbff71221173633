// An object store in a directory: a file each. Written beside, synced and renamed, so that a crash leaves the whole
// file or none; what a crash left in incoming/ is removed at the next start.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/results/object_store.hpp"

namespace coppice {

class directory_objects final : public object_store {
  public:
    // Makes the directory. Blocks on the disk. `unavailable`: it can't be made or written to.
    static expected<std::unique_ptr<directory_objects>> open(const std::filesystem::path& root);
    // What was asked for is still done, without callbacks.
    ~directory_objects() override;

    void put(std::string name, std::string bytes, done then) override;
    void get(std::string name, std::size_t size_max, got then) override;
    void remove(std::string name, done then) override;
    void list(std::string after, listed then) override;
    std::string place() const override { return root_.string(); }

  private:
    explicit directory_objects(std::filesystem::path root);
    void run();
    void post(std::function<void()> task);

    const std::filesystem::path root_;
    std::mutex mutex_; // guards what follows
    std::condition_variable wake_;
    std::deque<std::function<void()>> waiting_;
    bool stopping_ = false;
    std::atomic<bool> silent_ = false; // no callbacks any more
    std::thread thread_;               // last: it uses the others
};

} // namespace coppice

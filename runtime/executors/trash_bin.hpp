// Removes directory trees, in small steps and on another thread than the one that makes them: on some disks a
// single removal takes milliseconds (ext4 mounted with `discard`), and a job may leave a million files.
//
// Intuition: what is to go is first renamed to "trash-..." in one directory, the root, which takes its name out of
// use at once; then it is emptied. A directory inside it that is not empty is itself moved up to the root as trash,
// so removal needs no recursion, three descriptors and memory for a bounded number of names, however deep or wide
// the tree is; the root's own listing is the rest of the list. Nothing is followed: every step is
// openat(O_NOFOLLOW), unlinkat, renameat.
//
// Invariants: only names with the prefix "trash-" are ever removed. What cannot be removed after some tries is
// renamed to "stuck-..." and left for the next start.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "runtime/executors/unique_fd.hpp"

namespace coppice::executors {

class trash_bin {
  public:
    // `root` is a directory's descriptor; the bin keeps a copy of its own.
    explicit trash_bin(int root);
    // Stops cleaning; gives what is left about a second. The rest is for the next start.
    ~trash_bin();
    trash_bin(const trash_bin&) = delete;
    trash_bin& operator=(const trash_bin&) = delete;

    // Moves `name` in `directory`, which must be on the root's file system, into the bin. Any thread.
    bool throw_in(int directory, const char* name);
    // Takes up what earlier lives left under the root: trash, what was stuck, and names with `prefix`.
    void adopt(std::string_view prefix);
    // Waits a moment when limits::exec_remove_backlog_max directories wait for removal: whoever makes more must
    // slow down.
    void slow_down();

    // Starts the thread that cleans from now on; false when there is none to be had. At most once.
    bool clean_from_now_on();

    enum class cleaning { idle, more, stalled }; // nothing to do; call again; call again after a while
    // Removes at most `entries_max` files and directories. For one thread at a time, and none when the bin has its
    // own.
    cleaning clean(std::size_t entries_max);

  private:
    struct trash {
        std::string name;
        std::size_t tries = 0;
    };

    void queue(trash one);
    bool next(trash& one);
    void done();
    void list();
    void list_more();
    bool empty_some(int directory, std::size_t& budget);
    bool remove_entry(int directory, const char* name, bool is_directory);
    void set_aside(const trash& one);
    void keep_clean();

    unique_fd root_;
    std::string generation_; // makes the names of this life's trash differ from an earlier one's

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<trash> trash_;
    std::uint64_t named_ = 0;
    std::size_t backlog_ = 0; // directories in the bin, as far as this life made or found them
    bool unlisted_ = false;   // the root holds trash that is not in the queue
    bool stopping_ = false;
    std::thread cleaner_;
};

} // namespace coppice::executors

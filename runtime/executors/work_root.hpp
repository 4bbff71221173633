// The directory under which every attempt gets a directory of its own, and loses it.
//
// Invariants: only names that this class itself makes ("attempt-") ever go to the bin; one process at a time holds
// a root (flock). Not thread-safe, but for the bin's own thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/executors/trash_bin.hpp"
#include "runtime/executors/unique_fd.hpp"
#include "schema/errc.hpp"
#include "schema/ids.hpp"

namespace coppice::executors {

class work_root {
  public:
    // Makes the directory when it is missing (0700), takes it, and puts what an earlier life left in it into the
    // bin. `data_directory_locked` when another process has it, `unavailable` with the system's reason otherwise.
    static expected<work_root> open(const std::string& path);

    // A new, empty directory (0700); its absolute path. `exec_failed` with the system's reason.
    expected<std::string> make(const attempt_ref& ref);
    // A new file in that directory (0600) with this content; its absolute path.
    expected<std::string> write_file(const attempt_ref& ref, const char* name, std::string_view content);
    // The attempt's directory and all in it is to go.
    void discard(const attempt_ref& ref);

    trash_bin& bin() { return *bin_; }
    const std::string& path() const { return path_; }

  private:
    work_root(unique_fd root, std::string path);

    unique_fd root_;
    std::string path_;
    std::unique_ptr<trash_bin> bin_; // after root_: it ends first, with the lock still held
};

} // namespace coppice::executors

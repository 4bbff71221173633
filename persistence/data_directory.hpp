// The directory that one running node owns: made with mode 0700, and locked for as long as this object lives.
//
// The lock is flock on DIR/lock, which the kernel lets go when the holder dies, however it dies; the pid inside is
// only for people. The file stays: removing it would let two processes lock two files of the same name.
#pragma once

#include <filesystem>

#include "schema/errc.hpp"

namespace coppice {

class data_directory {
  public:
    // Opens or makes `path` (its parent must be there). data_directory_locked names the directory and the holder's
    // pid; invalid_argument: the path cannot be a directory of ours.
    static expected<data_directory> open(const std::filesystem::path& path);

    data_directory(data_directory&& other) noexcept;
    data_directory& operator=(data_directory&& other) noexcept;
    ~data_directory();

    const std::filesystem::path& path() const { return path_; }

  private:
    data_directory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
    std::filesystem::path path_;
    int lock_ = -1;
};

} // namespace coppice

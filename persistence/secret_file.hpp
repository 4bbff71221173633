// A small file that may hold a secret: read bounded, never waiting, told apart by its mode; written whole or not at
// all, for its owner alone; and text that is wiped. Used for tokens' keys, TLS and the identities of a cluster.
#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

#include "schema/errc.hpp"

namespace coppice {

// Text that is wiped when it goes.
struct wiped_text {
    std::string text;
    wiped_text() = default;
    wiped_text(const wiped_text&) = delete;
    wiped_text& operator=(const wiped_text&) = delete;
    ~wiped_text();
};

// Reads the regular file `path` whole and gives its mode. errc::not_found, or invalid_argument for anything else
// that is wrong (larger than `size_max` bytes, a directory, a fifo, no permission); the detail names the file.
expected<mode_t> read_small_file(const std::string& path, std::size_t size_max, std::string& text);

// Puts a file of mode 0600 in its place, durably and at once: after a crash there is the old state or the new one.
// `create` leaves a file that is there already as it is (errc::already_exists); `replace` takes its place.
// Otherwise as file_error. The draft, `.<name>.XXXXXX` beside it, is gone unless the process died.
expected<void> create_secret_file(const std::string& path, std::string_view text);
expected<void> replace_secret_file(const std::string& path, std::string_view text);

// `errno` as a failure: errc::not_found, already_exists or invalid_argument, "path: doing: reason".
tl::unexpected<failure> file_error(const std::string& path, const std::string& doing);

} // namespace coppice

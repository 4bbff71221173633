// Bytes under names, outside of the node's tables: a directory, or a bucket of an S3-compatible service.
//
// Names are parts of [0-9a-z.-] with '/' between them, ordered as bytes. What is under a name is there whole or not
// at all; a put over one that is there replaces it.
//
// Threads: functions may be called on any thread. Callbacks come on the store's own, must not block, and are not
// called any more once the store is destroyed. Errors: `unavailable` with what is wrong, and what each function
// says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "schema/errc.hpp"
#include "schema/time.hpp"

namespace coppice {

class object_store {
  public:
    struct entry {
        std::string name;
        instant written = never;
    };
    struct page {
        std::vector<entry> entries; // in order of names
        bool more = false;
    };
    static constexpr std::size_t per_page = 1000; // of a list
    using done = std::function<void(expected<void>)>;
    using got = std::function<void(expected<std::string>)>;
    using listed = std::function<void(expected<page>)>;

    virtual ~object_store() = default;

    // `done` when it outlives a power cut.
    virtual void put(std::string name, std::string bytes, done then) = 0;
    // not_found; result_too_large: it has more than `size_max` bytes.
    virtual void get(std::string name, std::size_t size_max, got then) = 0;
    // One that is not there is no error.
    virtual void remove(std::string name, done then) = 0;
    // Those after `after` (empty: from the first on), at most `per_page` of them.
    virtual void list(std::string after, listed then) = 0;
    // For messages: where it is.
    virtual std::string place() const = 0;
};

bool is_object_name(std::string_view name);

} // namespace coppice

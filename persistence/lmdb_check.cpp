#include "persistence/lmdb_check.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "persistence/descriptor.hpp"
#include "persistence/tables.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

constexpr std::size_t header_bytes = 16;
constexpr std::size_t node_bytes = 8;
constexpr std::size_t tree_bytes = 48;
constexpr std::size_t meta_bytes = 152;
constexpr std::uint64_t no_page = ~std::uint64_t{0};
constexpr unsigned depth_max = 32; // LMDB's cursor stack
constexpr std::uint16_t page_branch = 1, page_leaf = 2, page_overflow = 4, page_meta = 8;
constexpr std::uint16_t node_big = 1, node_tree = 2;
constexpr std::uint16_t tree_integer_keys = 8;
constexpr std::uint16_t tree_flags = 0x7f; // above them, the environment's

// A broken rule, and the page that breaks it. Null: none.
struct broken {
    std::uint64_t page = 0;
    const char* rule = nullptr;
    explicit operator bool() const { return rule != nullptr; }
};

template <class T>
T load(const std::byte* at) {
    T v;
    std::memcpy(&v, at, sizeof v);
    return v;
}

struct tree {
    std::uint16_t flags = 0;
    std::uint16_t depth = 0;
    std::uint64_t branches = 0, leaves = 0, overflows = 0, entries = 0, root = no_page;

    static tree at(const std::byte* p) {
        return {load<std::uint16_t>(p + 4),  load<std::uint16_t>(p + 6),  load<std::uint64_t>(p + 8),
                load<std::uint64_t>(p + 16), load<std::uint64_t>(p + 24), load<std::uint64_t>(p + 32),
                load<std::uint64_t>(p + 40)};
    }
};

struct meta {
    std::uint32_t page_bytes = 0;
    tree free_list, names;
    std::uint64_t last_page = 0, transaction = 0;
};

bool read_exactly(int fd, std::byte* to, std::size_t size, std::uint64_t from) {
    while (size > 0) {
        const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(from));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        to += got, size -= static_cast<std::size_t>(got), from += static_cast<std::uint64_t>(got);
    }
    return true;
}

broken read_meta(int fd, std::uint64_t number, std::uint64_t offset, meta& out) {
    std::array<std::byte, header_bytes + meta_bytes> page;
    if (!read_exactly(fd, page.data(), page.size(), offset)) return {number, "the file ends within it"};
    if ((load<std::uint16_t>(&page[10]) & page_meta) == 0 || load<std::uint32_t>(&page[16]) != 0xBEEFC0DE ||
        load<std::uint32_t>(&page[20]) != 1)
        return {number, "not a meta page of this version of LMDB"};
    out = {load<std::uint32_t>(&page[40]), tree::at(&page[40]), tree::at(&page[88]),
           load<std::uint64_t>(&page[136]), load<std::uint64_t>(&page[144])};
    return {};
}

// A page in memory. Its rows may be looked at when `check` found nothing.
class page {
  public:
    page() = default;
    explicit page(std::vector<std::byte> data) : data_(std::move(data)) {}

    // What is wrong within the page alone; null when nothing is.
    const char* check(std::uint64_t number) {
        if (load<std::uint64_t>(&data_[0]) != number) return "its number is another";
        if (kind() == page_overflow) return nullptr;
        if (kind() != page_branch && kind() != page_leaf) return "of an unknown kind";
        const std::size_t lower = load<std::uint16_t>(&data_[12]);
        const std::size_t upper = load<std::uint16_t>(&data_[14]);
        if (lower < header_bytes || lower > upper || upper > data_.size() || lower % 2 != 0) return "wrong bounds";
        size_ = (lower - header_bytes) / 2;
        if (size_ == 0) return "empty";
        for (std::size_t i = 0; i < size_; ++i) {
            const std::size_t at = offset(i);
            if (at < upper || at + node_bytes > data_.size() || at % 2 != 0) return "a row lies outside";
            const std::size_t stored_bytes = kind() == page_leaf ? stored_size(i) : 0;
            if (node_bytes + key_size(i) + stored_bytes > data_.size() - at) return "a row is longer than the page";
        }
        return nullptr;
    }
    std::uint16_t kind() const { return load<std::uint16_t>(&data_[10]); }
    std::uint32_t overflow_pages() const { return load<std::uint32_t>(&data_[12]); }
    std::size_t size() const { return size_; }
    std::uint16_t flags(std::size_t i) const { return load<std::uint16_t>(&data_[offset(i) + 4]); }
    bytes_view key(std::size_t i) const { return {&data_[offset(i)] + node_bytes, key_size(i)}; }
    // Of a leaf: what stands in the page, the value or the number of its first overflow page.
    bytes_view stored(std::size_t i) const {
        return {&data_[offset(i)] + node_bytes + key_size(i), stored_size(i)};
    }
    std::uint64_t value_size(std::size_t i) const { return load<std::uint32_t>(&data_[offset(i)]); }
    std::uint64_t child(std::size_t i) const {
        return load<std::uint32_t>(&data_[offset(i)]) | std::uint64_t{flags(i)} << 32;
    }

  private:
    std::size_t offset(std::size_t i) const { return load<std::uint16_t>(&data_[header_bytes + 2 * i]); }
    std::size_t key_size(std::size_t i) const { return load<std::uint16_t>(&data_[offset(i) + 6]); }
    std::size_t stored_size(std::size_t i) const {
        return (flags(i) & node_big) != 0 ? sizeof(std::uint64_t) : value_size(i);
    }
    std::vector<std::byte> data_;
    std::size_t size_ = 0;
};

class walk {
  public:
    walk(int fd, std::uint64_t file_bytes, const meta& m, bool with_leaves)
        : fd_(fd), page_bytes_(m.page_bytes), last_page_(m.last_page), file_pages_(file_bytes / m.page_bytes),
          with_leaves_(with_leaves), used_(file_pages_) {}

    broken names(const tree& t) { return run(t, kind::names); }
    // After names: what is free must not be in use.
    broken free_list(const tree& t) { return run(t, kind::free_list); }

  private:
    enum class kind : std::uint8_t { names, rows, free_list };

    struct progress {
        tree counted;
        bytes last_key; // of the leaf before
        bytes floor;    // the branch's key above the next leaf
    };

    broken take(std::uint64_t number, std::uint64_t count, std::uint64_t from) {
        if (number < 2 || count > file_pages_ || number > file_pages_ - count || number + count - 1 > last_page_)
            return {from, "it refers to a page outside the file"};
        for (std::uint64_t i = number; i < number + count; ++i) {
            if (used_[i]) return {i, "in use twice"};
            used_[i] = true;
        }
        return {};
    }
    broken get(std::uint64_t number, page& out) const {
        std::vector<std::byte> data(page_bytes_);
        if (!read_exactly(fd_, data.data(), data.size(), number * page_bytes_)) return {number, "unreadable"};
        out = page{std::move(data)};
        return {number, out.check(number)};
    }
    // LMDB's free list has native integers as keys; read from their ends, they sort as all others do.
    static bool less(bytes_view a, bytes_view b, kind what) {
        if (what == kind::free_list)
            return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
        const std::size_t common = std::min(a.size(), b.size());
        const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
        return order != 0 ? order < 0 : a.size() < b.size();
    }

    broken run(const tree& t, kind what) {
        constexpr std::uint64_t main = 0;
        const std::uint16_t wanted = what == kind::free_list ? tree_integer_keys : 0;
        if ((t.flags & tree_flags) != wanted) return {main, "a tree of an unknown kind"};
        progress p;
        if (t.root != no_page) {
            if (t.depth == 0 || t.depth > depth_max) return {main, "a tree of impossible depth"};
            if (const broken b = take(t.root, 1, main)) return b;
            if (const broken b = descend(t.root, t.depth, what, p)) return b;
        }
        const bool leaves_read = with_leaves_ || what != kind::rows;
        if (p.counted.branches != t.branches || p.counted.leaves != t.leaves ||
            (leaves_read && (p.counted.entries != t.entries || p.counted.overflows != t.overflows)))
            return {t.root, "the tree's counts are wrong"};
        return {};
    }

    broken descend(std::uint64_t number, unsigned levels, kind what, progress& p) {
        if (levels == 1 && what == kind::rows && !with_leaves_) {
            ++p.counted.leaves;
            return {};
        }
        page at;
        if (const broken b = get(number, at)) return b;
        if (at.kind() != (levels == 1 ? page_leaf : page_branch))
            return {number, "of the wrong kind for its depth"};
        if (levels == 1) return leaf(number, at, what, p);
        ++p.counted.branches;
        if (at.size() < 2) return {number, "a branch with one child"};
        for (std::size_t i = 0; i < at.size(); ++i) {
            if (i > 0) {
                const bytes_view key = at.key(i);
                if (key.empty() || (!p.last_key.empty() && !less(p.last_key, key, what)))
                    return {number, "keys out of order"};
                p.floor.assign(key.begin(), key.end());
            }
            if (const broken b = take(at.child(i), 1, number)) return b;
            if (const broken b = descend(at.child(i), levels - 1, what, p)) return b;
        }
        return {};
    }

    broken leaf(std::uint64_t number, const page& at, kind what, progress& p) {
        ++p.counted.leaves;
        p.counted.entries += at.size();
        bytes_view before = p.last_key; // compared in place: a store has millions of rows
        for (std::size_t i = 0; i < at.size(); ++i) {
            const bytes_view key = at.key(i);
            if (key.empty() || key.size() > limits::key_size_max) return {number, "a key of impossible size"};
            if ((!before.empty() && !less(before, key, what)) || (i == 0 && less(key, p.floor, what)))
                return {number, "keys out of order"};
            before = key;
            if (const broken b = what == kind::names ? name(number, at, i) : value(number, at, i, what, p))
                return b;
        }
        p.last_key.assign(before.begin(), before.end());
        return {};
    }

    broken name(std::uint64_t number, const page& at, std::size_t i) {
        if (at.flags(i) != node_tree || at.value_size(i) != tree_bytes) return {number, "a name without a table"};
        return run(tree::at(at.stored(i).data()), kind::rows);
    }

    broken value(std::uint64_t number, const page& at, std::size_t i, kind what, progress& p) {
        if ((at.flags(i) & ~node_big) != 0) return {number, "a row of an unknown kind"};
        if (what == kind::free_list && at.key(i).size() != sizeof(std::uint64_t))
            return {number, "a key of impossible size"};
        if ((at.flags(i) & node_big) == 0)
            return what == kind::free_list ? free_pages(number, at.stored(i)) : broken{};
        const std::uint64_t first = load<std::uint64_t>(at.stored(i).data());
        const std::uint64_t size = at.value_size(i) + header_bytes;
        page head;
        if (const broken b = take(first, 1, number)) return b;
        if (const broken b = get(first, head)) return b;
        if (head.kind() != page_overflow) return {first, "not an overflow page"};
        const std::uint64_t count = head.overflow_pages();
        if (count == 0 || size > count * page_bytes_) return {first, "an overflow that is too short"};
        if (count > 1)
            if (const broken b = take(first + 1, count - 1, number)) return b;
        p.counted.overflows += count;
        if (what != kind::free_list) return {};
        bytes whole(at.value_size(i));
        if (!read_exactly(fd_, whole.data(), whole.size(), first * page_bytes_ + header_bytes))
            return {first, "unreadable"};
        return free_pages(first, whole);
    }

    // A count, then so many page numbers, highest first. They may lie beyond the end of the file: pages that were
    // taken and given back within one transaction were never written.
    broken free_pages(std::uint64_t number, bytes_view list) {
        const auto nth = [&list](std::uint64_t i) { return load<std::uint64_t>(list.data() + i * sizeof(i)); };
        if (list.size() < sizeof(std::uint64_t) || nth(0) > list.size() / sizeof(std::uint64_t) - 1)
            return {number, "a free list longer than its row"};
        std::uint64_t above = last_page_ + 1;
        for (std::uint64_t i = 1; i <= nth(0); ++i) {
            if (nth(i) < 2 || nth(i) >= above) return {number, "a free list out of order"};
            above = nth(i);
            if (above >= file_pages_) continue;
            if (used_[above]) return {above, "in use and free"};
            used_[above] = true;
        }
        return {};
    }

    int fd_;
    std::uint64_t page_bytes_;
    std::uint64_t last_page_;
    std::uint64_t file_pages_;
    bool with_leaves_;
    std::vector<bool> used_;
};

broken walk_file(int fd, std::uint64_t file_bytes, std::uint64_t leaves_up_to_pages) {
    meta first;
    meta second;
    if (const broken b = read_meta(fd, 0, 0, first)) return b;
    const std::uint64_t page_bytes = first.page_bytes;
    if (page_bytes < 512 || page_bytes > 32 * 1024 || (page_bytes & (page_bytes - 1)) != 0)
        return {0, "an impossible page size"};
    if (const broken b = read_meta(fd, 1, page_bytes, second)) return b;
    const meta& newest = first.transaction < second.transaction ? second : first;
    if (newest.page_bytes != page_bytes) return {1, "another page size than in page 0"};
    constexpr std::uint64_t address_space = std::uint64_t{1} << 47;
    if (newest.last_page >= address_space / page_bytes) return {0, "an impossible last page"};
    walk w(fd, file_bytes, newest, file_bytes / page_bytes <= leaves_up_to_pages);
    if (const broken b = w.names(newest.names)) return b;
    return w.free_list(newest.free_list);
}

} // namespace

expected<void> check_lmdb_file(const std::filesystem::path& file, std::uint64_t leaves_up_to_pages) {
    const descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0 && errno == ENOENT) return {};
    struct stat about {};
    if (fd.get() < 0 || ::fstat(fd.get(), &about) != 0)
        return fail(errc::invalid_argument, file.string() + ": " + std::strerror(errno));
    if (!S_ISREG(about.st_mode)) return fail(errc::invalid_argument, file.string() + " is not a regular file");
    if (about.st_size == 0) return {};
    if (const broken b = walk_file(fd.get(), static_cast<std::uint64_t>(about.st_size), leaves_up_to_pages))
        return fail(errc::store_damaged,
                    file.string() + ": page " + std::to_string(b.page) + ": " + b.rule + "; restore a backup");
    return {};
}

} // namespace coppice

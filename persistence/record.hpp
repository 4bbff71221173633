// Cap'n Proto values in tables, without an allocation a record: a reader, a writer and an editor, each of which
// owns its scratch memory and is used again and again.
//
// A value is a message in Cap'n Proto's standard stream framing (a table of segment sizes, then the segments), in
// one segment whenever it fits the scratch. LMDB's values lie at odd addresses and Cap'n Proto wants words, so a
// reader copies; an editor changes its copy in place, which spares building the record anew for a few fields.
//
// What is read may come from a damaged disk: sizes and pointers are checked, and a message that is not one is
// store_damaged. Reading a field whose pointer is broken can still throw kj::Exception, as always with Cap'n Proto.
// None is thread-safe. Source: capnproto.org/encoding.html, "Serialization over a stream".
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "persistence/tables.hpp"

namespace coppice {
namespace record_detail {

inline constexpr std::size_t word_bytes = sizeof(capnp::word);
// Of a pointer-rich record of every inline size, several times over; a larger one takes more segments.
inline constexpr std::size_t scratch_words = 1024;
inline constexpr std::uint64_t traversal_words = 1024 * 1024; // 8 MiB: above the largest value of any table
inline constexpr int nesting_max = 32;

inline capnp::ReaderOptions reader_options() { return {traversal_words, nesting_max}; }

// Writes the framed message straight into the table's room.
inline void put_segments(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments, tables& to, table t,
                         bytes_view key) {
    const std::size_t header_bytes = (segments.size() / 2 + 1) * word_bytes;
    std::size_t size = header_bytes;
    for (const auto& segment : segments) size += segment.size() * word_bytes;
    const std::span<std::byte> room = to.reserve(t, key, size);
    if (room.size() != size) return;
    std::byte* at = room.data();
    const auto write_u32 = [&at](std::size_t n) { // little-endian, whatever the machine
        for (int i = 0; i < 4; ++i, n >>= 8) *at++ = static_cast<std::byte>(n & 0xff);
    };
    write_u32(segments.size() - 1);
    for (const auto& segment : segments) write_u32(segment.size());
    if (segments.size() % 2 == 0) write_u32(0);
    for (const auto& segment : segments) {
        std::memcpy(at, segment.begin(), segment.size() * word_bytes);
        at += segment.size() * word_bytes;
    }
}

inline tl::unexpected<failure> damaged(const char* what) {
    return fail(errc::store_damaged, std::string("a record cannot be read: ") + what);
}

// A row that this process wrote and cannot read is a broken store: nothing sensible can go on from it.
template <class Value>
Value or_throw(expected<Value> read) {
    if (!read) throw std::runtime_error(to_string(read.error()));
    return std::move(*read);
}

} // namespace record_detail

template <class T>
class record_reader {
  public:
    // Valid until the next call and as long as this object lives; `value` is copied.
    expected<typename T::Reader> try_read(bytes_view value) {
        if (value.empty() || value.size() % record_detail::word_bytes != 0)
            return record_detail::damaged("not a whole number of words");
        const std::size_t words = value.size() / record_detail::word_bytes;
        if (scratch_.size() < words) scratch_ = kj::heapArray<capnp::word>(words);
        std::memcpy(scratch_.begin(), value.data(), value.size());
        try {
            // Emplaced anew: a message reader counts what it has read against its limit.
            message_.emplace(scratch_.slice(0, words).asConst(), record_detail::reader_options());
            return message_->template getRoot<T>();
        } catch (const kj::Exception& e) {
            return record_detail::damaged(e.getDescription().cStr());
        }
    }

    // The same for rows of our own store: a damaged one throws std::runtime_error.
    typename T::Reader read(bytes_view value) { return record_detail::or_throw(try_read(value)); }

  private:
    kj::Array<capnp::word> scratch_;
    std::optional<capnp::FlatArrayMessageReader> message_;
};

template <class T>
class record_writer {
  public:
    record_writer() = default;
    record_writer(const record_writer&) = delete;
    record_writer& operator=(const record_writer&) = delete;

    // An empty record; what was built before is gone.
    typename T::Builder init() {
        message_.emplace(kj::arrayPtr(scratch_.data(), scratch_.size()));
        return message_->template initRoot<T>();
    }
    // A copy of `from`, without what was orphaned in it. Throws kj::Exception when `from` is broken or too deep;
    // then there is nothing to put.
    void set_from(typename T::Reader from) {
        message_.emplace(kj::arrayPtr(scratch_.data(), scratch_.size()));
        message_->setRoot(from);
    }
    typename T::Builder get() { return message_->template getRoot<T>(); }
    // After init or set_from. A failed transaction ignores it, as it does every put.
    void put(tables& to, table t, bytes_view key) {
        record_detail::put_segments(message_->getSegmentsForOutput(), to, t, key);
    }

  private:
    // MallocMessageBuilder wants its first segment zeroed and leaves it so.
    std::array<capnp::word, record_detail::scratch_words> scratch_{};
    std::optional<capnp::MallocMessageBuilder> message_;
};

template <class T>
class record_editor {
  public:
    record_editor() = default;
    record_editor(const record_editor&) = delete;
    record_editor& operator=(const record_editor&) = delete;

    // A builder over a copy of `value`, valid until the next call. Setting a number changes a word; setting a text
    // or list leaves the old one behind as zeros, which the next edit sheds once they are most of the record.
    expected<typename T::Builder> try_edit(bytes_view value) {
        release();
        expected<typename T::Reader> old = reader_.try_read(value);
        if (!old) return tl::unexpected(old.error());
        try {
            // A builder trusts every pointer it meets. totalSize follows and checks them all; a sum above the
            // message's own size means that some overlap.
            const std::size_t words = value.size() / record_detail::word_bytes;
            const std::size_t live = old->totalSize().wordCount + 2; // with the root's pointer and the framing
            if (live > words) return record_detail::damaged("overlapping objects");
            if (words > scratch_.size() || words > 2 * live || !is_single_segment(value)) {
                rebuilt_.set_from(*old);
                return rebuilt_.get();
            }
            load(value.subspan(record_detail::word_bytes));
            return in_place_->template getRoot<T>();
        } catch (const kj::Exception& e) {
            release();
            return record_detail::damaged(e.getDescription().cStr());
        }
    }
    // The same for rows of our own store: a damaged one throws std::runtime_error.
    typename T::Builder edit(bytes_view value) { return record_detail::or_throw(try_edit(value)); }
    // After an edit that gave a builder.
    void put(tables& to, table t, bytes_view key) {
        if (!in_place_) return rebuilt_.put(to, t, key);
        record_detail::put_segments(in_place_->getSegmentsForOutput(), to, t, key);
    }

  private:
    class builder : public capnp::MessageBuilder {
      public:
        explicit builder(SegmentInit first) : MessageBuilder(kj::arrayPtr(&first, 1)) {}
        kj::ArrayPtr<capnp::word> allocateSegment(unsigned words) override {
            more_.push_back(std::vector<capnp::word>(std::max<std::size_t>(words, record_detail::scratch_words)));
            return kj::arrayPtr(more_.back().data(), more_.back().size());
        }

      private:
        std::vector<std::vector<capnp::word>> more_;
    };

    static bool is_single_segment(bytes_view value) {
        return std::all_of(value.begin(), value.begin() + 4, [](std::byte b) { return b == std::byte{0}; });
    }
    void release() {
        if (in_place_) used_words_ = in_place_->getSegmentsForOutput()[0].size();
        in_place_.reset();
    }
    void load(bytes_view segment) {
        const std::size_t words = segment.size() / record_detail::word_bytes;
        std::memcpy(static_cast<void*>(scratch_.data()), segment.data(), segment.size());
        // The rest is zero but for what the last edit used.
        if (used_words_ > words)
            std::memset(static_cast<void*>(scratch_.data() + words), 0,
                        (used_words_ - words) * record_detail::word_bytes);
        in_place_.emplace(
            capnp::MessageBuilder::SegmentInit{kj::arrayPtr(scratch_.data(), scratch_.size()), words});
    }

    record_reader<T> reader_;
    record_writer<T> rebuilt_;
    std::array<capnp::word, record_detail::scratch_words> scratch_{};
    std::size_t used_words_ = 0; // of scratch_, that may be other than zero
    std::optional<builder> in_place_;
};

} // namespace coppice

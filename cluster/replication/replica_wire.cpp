#include "cluster/replication/replica_wire.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <cstring>
#include <kj/exception.h>

#include "schema/limits.hpp"
#include "schema/replication.capnp.h"

namespace coppice {
namespace {

kj::ArrayPtr<const kj::byte> as_kj(bytes_view view) {
    return {reinterpret_cast<const kj::byte*>(view.data()), view.size()};
}
bytes_view from_kj(capnp::Data::Reader data) { return std::as_bytes(std::span{data.begin(), data.size()}); }
bytes copy_of(capnp::Data::Reader data) {
    const bytes_view view = from_kj(data);
    return {view.begin(), view.end()};
}

void write(log_position p, rep::Position::Builder to) {
    to.setIndex(p.index);
    to.setEpoch(p.epoch);
}
log_position read(rep::Position::Reader p) { return {p.getIndex(), p.getEpoch()}; }

bytes flat(capnp::MessageBuilder& message) {
    const auto words = capnp::messageToFlatArray(message);
    const auto raw = words.asBytes();
    const auto view = std::as_bytes(std::span{raw.begin(), raw.size()});
    return {view.begin(), view.end()};
}

// A vector's memory is aligned for words.
kj::ArrayPtr<const capnp::word> words_of(bytes_view wire) {
    return {reinterpret_cast<const capnp::word*>(wire.data()), wire.size() / sizeof(capnp::word)};
}

struct writer {
    rep::Message::Builder to;

    void operator()(const prepare_message& m) {
        auto p = to.initPrepare();
        write(m.previous, p.initPrevious());
        auto entries = p.initEntries(static_cast<unsigned>(m.entries.size()));
        for (unsigned i = 0; i < entries.size(); ++i) entries.set(i, as_kj(*m.entries[i].body));
        p.setCommit(m.commit);
        p.setStampUs(to_us(m.stamp));
        if (m.tables.at == 0) return;
        auto t = p.initTables();
        t.setAt(m.tables.at);
        t.setDigest(m.tables.digest);
        t.setChain(m.tables.chain);
        t.setLayout(m.tables.layout);
    }
    void operator()(const ack_message& m) {
        auto a = to.initAck();
        a.setMatch(m.match);
        a.setStampUs(to_us(m.stamp));
    }
    void operator()(const mismatch_message& m) {
        auto x = to.initMismatch();
        x.setHint(m.hint);
        x.setWiped(m.wiped);
        x.setStampUs(to_us(m.stamp));
    }
    void operator()(const stale_epoch_message&) { to.setStaleEpoch(); }
    void operator()(const hand_over_message& m) { write(m.last, to.initHandOver()); }
    void operator()(const slice_message& m) {
        auto s = to.initSlice();
        write(m.at, s.initAt());
        s.setNumber(m.number);
        auto rows = s.initRows(static_cast<unsigned>(m.rows.size()));
        for (unsigned i = 0; i < rows.size(); ++i) {
            rows[i].setTable(m.rows[i].table);
            rows[i].setKey(as_kj(m.rows[i].key));
            rows[i].setValue(as_kj(m.rows[i].value));
        }
        s.setLast(m.last);
        s.setDigest(m.digest);
        s.setTimeUs(m.time_us);
        s.setChain(m.chain);
        s.setLayout(m.layout);
    }
    void operator()(const slice_ack_message& m) {
        auto a = to.initSliceAck();
        write(m.at, a.initAt());
        a.setNumber(m.number);
        a.setDone(m.done);
    }
};

tl::unexpected<failure> unsound(std::string what) { return fail(errc::message_invalid, std::move(what)); }

expected<prepare_message> read_prepare(rep::Prepare::Reader p) {
    const auto t = p.getTables();
    prepare_message m{read(p.getPrevious()),
                      {},
                      p.getCommit(),
                      from_us(p.getStampUs()),
                      {t.getAt(), t.getDigest(), t.getChain(), t.getLayout()}};
    if (p.getEntries().size() > limits::replica_entries_per_message_max)
        return unsound("a prepare of too many entries");
    for (const auto data : p.getEntries()) {
        auto entry = log_entry_from_wire(from_kj(data));
        if (!entry) return tl::unexpected(entry.error());
        if (entry->at.index != m.previous.index + m.entries.size() + 1)
            return unsound("the entries of a prepare are not in order");
        m.entries.push_back(std::move(*entry));
    }
    return m;
}

expected<slice_message> read_slice(rep::Slice::Reader s) {
    slice_message m{read(s.getAt()), s.getNumber(), {},           s.getLast(),
                    s.getDigest(),   s.getTimeUs(), s.getChain(), s.getLayout()};
    if (s.getRows().size() > limits::snapshot_rows_per_slice_max) return unsound("a slice of too many rows");
    for (const auto row : s.getRows()) {
        if (row.getTable() >= table_count || row.getKey().size() == 0 || row.getKey().size() > limits::key_size_max)
            return unsound("a slice's row has no table or no key");
        m.rows.push_back({row.getTable(), copy_of(row.getKey()), copy_of(row.getValue())});
    }
    return m;
}

expected<replica_message> read_message(rep::Message::Reader from) {
    replica_message m{shard_id{from.getShard()}, from.getEpoch(), stale_epoch_message{}};
    switch (from.which()) {
    case rep::Message::PREPARE: {
        auto prepare = read_prepare(from.getPrepare());
        if (!prepare) return tl::unexpected(prepare.error());
        m.what = std::move(*prepare);
        return m;
    }
    case rep::Message::SLICE: {
        auto slice = read_slice(from.getSlice());
        if (!slice) return tl::unexpected(slice.error());
        m.what = std::move(*slice);
        return m;
    }
    case rep::Message::ACK:
        m.what = ack_message{from.getAck().getMatch(), from_us(from.getAck().getStampUs())};
        return m;
    case rep::Message::MISMATCH: {
        const auto x = from.getMismatch();
        m.what = mismatch_message{x.getHint(), x.getWiped(), from_us(x.getStampUs())};
        return m;
    }
    case rep::Message::STALE_EPOCH:
        return m;
    case rep::Message::HAND_OVER:
        m.what = hand_over_message{read(from.getHandOver())};
        return m;
    case rep::Message::SLICE_ACK: {
        const auto a = from.getSliceAck();
        m.what = slice_ack_message{read(a.getAt()), a.getNumber(), a.getDone()};
        return m;
    }
    case rep::Message::NONE:
        break;
    }
    return unsound("a replica's message of no known kind");
}

// Calls `use` with the root of a flat message that fills the bytes.
template <class T, class Use>
auto with_root(bytes_view wire, Use&& use) -> decltype(use(std::declval<typename T::Reader>())) {
    if (wire.empty() || wire.size() % sizeof(capnp::word) != 0) return unsound("not a whole number of words");
    try {
        capnp::FlatArrayMessageReader reader(words_of(wire), {.traversalLimitInWords = wire.size() / 8 * 4 + 1024});
        return use(reader.getRoot<T>());
    } catch (const kj::Exception& e) {
        return unsound(std::string{"not a sound message: "} + e.getDescription().cStr());
    }
}

} // namespace

bytes to_wire(const replica_message& message) {
    capnp::MallocMessageBuilder builder;
    auto root = builder.initRoot<rep::Message>();
    root.setShard(message.shard.value);
    root.setEpoch(message.epoch);
    std::visit(writer{root}, message.what);
    return flat(builder);
}

expected<replica_message> replica_message_from_wire(bytes_view wire) {
    if (reinterpret_cast<std::uintptr_t>(wire.data()) % alignof(capnp::word) != 0) {
        const bytes aligned{wire.begin(), wire.end()};
        return replica_message_from_wire(aligned);
    }
    return with_root<rep::Message>(wire, [](rep::Message::Reader root) { return read_message(root); });
}

log_entry make_log_entry(log_position at, instant time, std::span<const bytes_view> entries) {
    capnp::MallocMessageBuilder builder;
    auto root = builder.initRoot<rep::LogEntry>();
    write(at, root.initAt());
    root.setTimeUs(to_us(time));
    auto list = root.initEntries(static_cast<unsigned>(entries.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, as_kj(entries[i]));
    return {at, std::make_shared<const bytes>(flat(builder))};
}

expected<log_entry_view> read_log_entry(bytes_view body) {
    return with_root<rep::LogEntry>(body, [](rep::LogEntry::Reader root) -> expected<log_entry_view> {
        log_entry_view view{read(root.getAt()), from_us(root.getTimeUs()), {}};
        for (const auto entry : root.getEntries()) view.entries.push_back(copy_of(entry));
        return view;
    });
}

expected<log_entry> log_entry_from_wire(bytes_view body) {
    auto own = std::make_shared<const bytes>(body.begin(), body.end());
    return with_root<rep::LogEntry>(*own, [&](rep::LogEntry::Reader root) -> expected<log_entry> {
        const log_position at = read(root.getAt());
        if (at.index == 0 || at.epoch == 0) return unsound("an entry without a place");
        return log_entry{at, std::move(own)};
    });
}

} // namespace coppice

// Between the values of the client and the structs of schema/api.capnp.
//
// What is read was sent by a node, perhaps a newer one: an enumerant that this program does not know is passed on
// as the number that it is (`is_known` says so), an unknown error code is `internal`. Readers throw kj::Exception
// on a malformed message, which `link::call` turns into a failure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/client/values.hpp"
#include "schema/api.capnp.h"
#include "schema/wire_text.hpp"

namespace coppice::client {

inline kj::ArrayPtr<const kj::byte> as_data(std::string_view bytes) {
    return kj::arrayPtr(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size());
}
inline std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
inline std::string_view view(capnp::Data::Reader data) {
    return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
inline std::string text_of(capnp::Text::Reader text) { return std::string{view(text)}; }
inline std::string text_of(capnp::Data::Reader data) { return std::string{view(data)}; }

inline job_id read(rec::Id::Reader id) { return job_id::from_halves(id.getHigh(), id.getLow()); }
inline attempt_ref read(api::AttemptRef::Reader ref) { return {read(ref.getJob()), ref.getAttempt()}; }
inline void write(rec::Id::Builder to, const job_id& id) {
    to.setHigh(id.high());
    to.setLow(id.low());
}
inline void write_ids(capnp::List<rec::Id>::Builder to, const std::vector<job_id>& ids) {
    for (unsigned i = 0; i < to.size(); ++i) write(to[i], ids[i]);
}
inline void write(api::AttemptRef::Builder to, const attempt_ref& ref) {
    write(to.initJob(), ref.job);
    to.setAttempt(ref.attempt);
}
// Text in Cap'n Proto ends with a NUL, so what is written goes through a builder of its own size.
template <class Init>
void write_text(std::string_view text, Init init) {
    if (text.empty()) return;
    auto to = init(static_cast<unsigned>(text.size()));
    std::copy(text.begin(), text.end(), to.begin());
}

expected<void> read(api::Failure::Reader f); // a value when the code is 0
failure read_failure(api::Failure::Reader f);
void write(api::Failure::Builder to, const failure& f);
grant_view read(api::Grant::Reader g);
job_view read(api::JobView::Reader j);
log_view read(api::LogLine::Reader l);
event read(api::Event::Reader e);
evidence read(api::Evidence::Reader e);
feed_place read(capnp::List<std::uint64_t>::Reader place);
void write(capnp::List<std::uint64_t>::Builder to, const feed_place& place); // as long as `place`
expected<submitted> read(api::Submitted::Reader s);
change read(api::Change::Reader c);
document_error read(api::DocumentError::Reader e);
declared_view read(api::DeclaredView::Reader d);
tree_row read(api::TreeRow::Reader t);
node_view read(api::NodeView::Reader n);
shard_view read(api::ShardView::Reader s);
void write(api::JobSpec::Builder to, const job_spec& spec);
void write(api::LogLine::Builder to, std::uint32_t attempt, const log_line& line);
// Reuses the strings of `to`: on the way of every attempt.
void read(api::Assignment::Reader a, assignment& to);

template <class Value, class List>
std::vector<Value> read_all(List list) {
    std::vector<Value> values;
    values.reserve(list.size());
    for (const auto each : list) values.push_back(read(each));
    return values;
}

} // namespace coppice::client

#include "runtime/joining/join_wire.hpp"

#include <algorithm>

#include "schema/names.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

void write_listener(const listener& from, joining::Listener::Builder to) {
    to.setHost(from.host.c_str());
    to.setPort(from.port);
}
listener read_listener(joining::Listener::Reader from) {
    return {std::string{view(from.getHost())}, from.getPort()};
}

void write_texts(const std::vector<std::string>& from, capnp::List<capnp::Text>::Builder to) {
    for (unsigned i = 0; i < to.size(); ++i) to.set(i, from[i].c_str());
}
// At most `most` of them: what claims to be longer is cut, and refused by whoever judges it.
std::vector<std::string> read_texts(capnp::List<capnp::Text>::Reader from, std::size_t most) {
    std::vector<std::string> texts;
    for (unsigned i = 0; i < from.size() && i < most; ++i) texts.emplace_back(view(from[i]));
    return texts;
}

// Of a key's file, which is written into a directory: no path, nothing hidden.
bool is_file_name(std::string_view name) {
    return !name.empty() && name.size() <= limits::name_size_max && name.front() != '.' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                      c == '_' || c == '.';
           });
}

} // namespace

void write(const join_request& request, joining::Question::Builder to) {
    to.setTokenId(request.token_id.c_str());
    to.setSecret(data_of(request.secret));
    to.setSigningRequest(request.signing_request.c_str());
    write_listener(request.wanted.peer, to.initPeer());
    write_listener(request.wanted.rpc, to.initRpc());
    to.setZone(request.wanted.zone.c_str());
    to.setProtocolMin(request.wanted.protocol_min);
    to.setProtocolMax(request.wanted.protocol_max);
    write_texts(request.wanted.features, to.initFeatures(static_cast<unsigned>(request.wanted.features.size())));
}

join_request read(joining::Question::Reader from) {
    join_request request;
    request.token_id = view(from.getTokenId());
    request.secret = text_of(from.getSecret());
    request.signing_request = view(from.getSigningRequest());
    request.wanted.peer = read_listener(from.getPeer());
    request.wanted.rpc = read_listener(from.getRpc());
    request.wanted.zone = view(from.getZone());
    request.wanted.protocol_min = from.getProtocolMin();
    request.wanted.protocol_max = from.getProtocolMax();
    request.wanted.features = read_texts(from.getFeatures(), limits::member_features_max + 1);
    return request;
}

void write(const expected<join_grant>& answer, joining::Answer::Builder to) {
    if (!answer) {
        to.setCode(static_cast<std::uint16_t>(answer.error().code));
        to.setDetail(answer.error().detail.c_str());
        return;
    }
    to.setNumber(answer->number.value);
    to.setCertificate(answer->certificate_pem.c_str());
    to.setAuthority(answer->authority_pem.c_str());
    to.setShards(answer->shards);
    to.setMinInSync(answer->min_in_sync);
    to.setLeaseMs(static_cast<std::uint64_t>(answer->lease.count()));
    to.setGraceMs(static_cast<std::uint64_t>(answer->grace.count()));
    write_texts(answer->etcd_endpoints, to.initEtcdEndpoints(static_cast<unsigned>(answer->etcd_endpoints.size())));
    to.setEtcdPrefix(answer->etcd_prefix.c_str());
    to.setEtcdUser(answer->etcd_user.c_str());
    auto files = to.initFiles(static_cast<unsigned>(answer->files.size()));
    for (unsigned i = 0; i < files.size(); ++i) {
        files[i].setPlace(answer->files[i].place);
        files[i].setName(answer->files[i].name.c_str());
        files[i].setContent(data_of(answer->files[i].content));
    }
}

expected<join_grant> read(joining::Answer::Reader from) {
    if (from.getCode() != 0) return fail(errc_from_number(from.getCode()), std::string{view(from.getDetail())});
    join_grant grant;
    grant.number = node_id{from.getNumber()};
    grant.certificate_pem = view(from.getCertificate());
    grant.authority_pem = view(from.getAuthority());
    grant.shards = from.getShards();
    grant.min_in_sync = from.getMinInSync();
    const auto most = static_cast<std::uint64_t>(milliseconds{limits::cluster_grace_max}.count());
    grant.lease = milliseconds{std::min(from.getLeaseMs(), most)};
    grant.grace = milliseconds{std::min(from.getGraceMs(), most)};
    grant.etcd_endpoints = read_texts(from.getEtcdEndpoints(), limits::join_files_max);
    grant.etcd_prefix = view(from.getEtcdPrefix());
    grant.etcd_user = view(from.getEtcdUser());
    if (grant.number.value == 0) return fail(errc::message_invalid, "the cluster gave no number");
    if (from.getFiles().size() > limits::join_files_max)
        return fail(errc::message_invalid, "the cluster sent too many files");
    for (const auto each : from.getFiles()) {
        shared_file file{each.getPlace(), std::string{view(each.getName())}, text_of(each.getContent())};
        if (file.place > joining::Answer::Place::ETCD_PASSWORD) continue; // of a newer version
        if (file.place == joining::Answer::Place::TOKEN_KEY && !is_file_name(file.name))
            return fail(errc::message_invalid, "the cluster sent a key under a name that is none");
        grant.files.push_back(std::move(file));
    }
    return grant;
}

} // namespace coppice

#include "cluster/peers/envelope.hpp"

#include <algorithm>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <kj/io.h>

#include "schema/peer.capnp.h"

namespace coppice {
namespace {

void write_hello(peer::Hello::Builder to, const peer_hello& from) {
    to.setCluster(from.cluster);
    to.setTo(from.to.value);
    to.setVersionMin(from.version_min);
    to.setVersionMax(from.version_max);
    to.setSession(from.session);
    to.setControlWindow(from.control_window);
    to.setBulkWindow(from.bulk_window);
}

void write_body(peer::Envelope::Builder to, const peer_envelope& from) {
    if (const auto* hello = std::get_if<peer_hello>(&from.body)) {
        write_hello(to.initHello(), *hello);
    } else if (const auto* credit = std::get_if<peer_credit>(&from.body)) {
        auto out = to.initCredit();
        out.setChannel(static_cast<std::uint8_t>(credit->channel));
        out.setBytes(credit->bytes);
    } else if (const auto* payload = std::get_if<peer_payload>(&from.body)) {
        to.setFrame(kj::arrayPtr(reinterpret_cast<const kj::byte*>(payload->data()), payload->size()));
    } else if (const auto* goodbye = std::get_if<peer_goodbye>(&from.body)) {
        to.initGoodbye().setReason(printable(goodbye->reason));
    } else {
        to.setHeartbeat();
    }
}

tl::unexpected<failure> invalid(std::string why) { return fail(errc::message_invalid, std::move(why)); }

expected<peer_channel> channel_of(std::uint8_t number) {
    if (number >= peer_channels) return invalid("channel " + std::to_string(number));
    return static_cast<peer_channel>(number);
}

expected<peer_hello> read_hello(peer::Hello::Reader from) {
    peer_hello hello;
    const auto cluster = from.getCluster();
    if (cluster.size() == 0 || cluster.size() > limits::name_size_max) return invalid("the cluster's name");
    hello.cluster.assign(cluster.cStr(), cluster.size());
    hello.to = {from.getTo()};
    hello.version_min = from.getVersionMin();
    hello.version_max = from.getVersionMax();
    hello.session = from.getSession();
    hello.control_window = from.getControlWindow();
    hello.bulk_window = from.getBulkWindow();
    return hello;
}

expected<peer_envelope> read_envelope(peer::Envelope::Reader from) {
    peer_envelope envelope;
    envelope.version = from.getVersion();
    envelope.from = {from.getFrom()};
    envelope.sequence = from.getSequence();
    const auto channel = channel_of(from.getChannel());
    if (!channel) return tl::unexpected(channel.error());
    envelope.channel = *channel;
    switch (from.which()) {
    case peer::Envelope::HELLO: {
        auto hello = read_hello(from.getHello());
        if (!hello) return tl::unexpected(hello.error());
        envelope.body = std::move(*hello);
        return envelope;
    }
    case peer::Envelope::HEARTBEAT:
        envelope.body = peer_heartbeat{};
        return envelope;
    case peer::Envelope::CREDIT: {
        const auto credit = from.getCredit();
        const auto of = channel_of(credit.getChannel());
        if (!of) return tl::unexpected(of.error());
        envelope.body = peer_credit{*of, credit.getBytes()};
        return envelope;
    }
    case peer::Envelope::FRAME: {
        const auto data = from.getFrame();
        envelope.body = peer_payload{reinterpret_cast<const std::byte*>(data.begin()), data.size()};
        return envelope;
    }
    case peer::Envelope::GOODBYE: {
        const auto reason = from.getGoodbye().getReason();
        envelope.body = peer_goodbye{printable({reason.cStr(), reason.size()})};
        return envelope;
    }
    case peer::Envelope::NONE:
        break;
    }
    return invalid("a message of unknown type " + std::to_string(static_cast<unsigned>(from.which())));
}

} // namespace

std::vector<char> encode(const peer_envelope& envelope) {
    const auto* payload = std::get_if<peer_payload>(&envelope.body);
    const std::size_t words = (payload != nullptr ? payload->size() / sizeof(capnp::word) : 0) + 128;
    capnp::MallocMessageBuilder builder(static_cast<unsigned>(words));
    auto root = builder.initRoot<peer::Envelope>();
    root.setVersion(envelope.version);
    root.setFrom(envelope.from.value);
    root.setChannel(static_cast<std::uint8_t>(envelope.channel));
    root.setSequence(envelope.sequence);
    write_body(root, envelope);

    const auto size = capnp::computeSerializedSizeInWords(builder) * sizeof(capnp::word);
    std::vector<char> bytes(peer_length_size + size);
    for (std::size_t i = 0; i < peer_length_size; ++i) bytes[i] = static_cast<char>(size >> (8 * i) & 0xff);
    kj::ArrayOutputStream out(kj::arrayPtr(reinterpret_cast<kj::byte*>(bytes.data()) + peer_length_size, size));
    capnp::writeMessage(out, builder);
    return bytes;
}

std::size_t peer_length(std::span<const char> four) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < peer_length_size; ++i)
        size |= std::size_t{static_cast<unsigned char>(four[i])} << (8 * i);
    return size;
}

expected<peer_envelope> decode(std::span<const char> message) {
    if (message.empty() || message.size() % sizeof(capnp::word) != 0) return invalid("no whole words");
    const auto words =
        kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), message.size() / sizeof(capnp::word));
    try {
        capnp::ReaderOptions options;
        options.traversalLimitInWords = 2 * words.size() + 64; // each pointer is followed once
        options.nestingLimit = 4;
        capnp::FlatArrayMessageReader reader(words, options);
        if (reader.getEnd() != words.end()) return invalid("bytes after the message");
        return read_envelope(reader.getRoot<peer::Envelope>());
    } catch (const kj::Exception& e) {
        return invalid(std::string{"not a Cap'n Proto message: "} + e.getDescription().cStr());
    }
}

std::string printable(std::string_view text) {
    std::string line{text.substr(0, limits::peer_goodbye_size_max)};
    std::ranges::replace_if(
        line, [](char c) { return c < ' ' || c > '~'; }, '?');
    return line;
}

} // namespace coppice

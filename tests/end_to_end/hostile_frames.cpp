#include "tests/end_to_end/hostile_frames.hpp"

#include <capnp/rpc.capnp.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>
#include <sys/socket.h>

#include <cstring>

#include "schema/api.capnp.h"

namespace coppice::end_to_end {
namespace {

constexpr std::uint64_t mark = 0x5afe'c0de'5afe'c0de;

// Words of the encoding: https://capnproto.org/encoding.html
constexpr std::uint64_t offset_bits(std::int32_t words) {
    return std::uint64_t{static_cast<std::uint32_t>(words) << 2};
}
constexpr std::uint64_t struct_pointer(std::int32_t offset, std::uint64_t data, std::uint64_t pointers) {
    return offset_bits(offset) | data << 32 | pointers << 48;
}
constexpr std::uint64_t list_pointer(std::int32_t offset, std::uint64_t kind, std::uint64_t count) {
    return offset_bits(offset) | 1 | kind << 32 | count << 35;
}
constexpr std::uint64_t far_pointer(bool two, std::uint64_t at, std::uint64_t segment) {
    return 2 | (two ? 4 : 0) | at << 3 | segment << 32;
}

} // namespace

std::string frame_of(capnp::MessageBuilder& message) {
    const auto words = capnp::messageToFlatArray(message);
    return {reinterpret_cast<const char*>(words.begin()), words.asBytes().size()};
}

std::string bootstrap_frame(std::uint32_t question) {
    capnp::MallocMessageBuilder m;
    m.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(question);
    return frame_of(m);
}

std::string call_frame(std::uint32_t question, std::uint32_t of, const std::vector<std::uint16_t>& path,
                       std::uint64_t interface_id, std::uint16_t method, const fill_content& fill) {
    capnp::MallocMessageBuilder m;
    auto call = m.initRoot<capnp::rpc::Message>().initCall();
    call.setQuestionId(question);
    auto target = call.initTarget().initPromisedAnswer();
    target.setQuestionId(of);
    auto steps = target.initTransform(static_cast<unsigned>(path.size()));
    for (unsigned i = 0; i < steps.size(); ++i) steps[i].setGetPointerField(path[i]);
    call.setInterfaceId(interface_id);
    call.setMethodId(method);
    fill(call.initParams().getContent());
    return frame_of(m);
}

std::string login_frames(const std::string& token) {
    return bootstrap_frame(0) + call_frame(1, 0, {}, capnp::typeId<api::Gate>(), 0, [&](auto content) {
               content.template initAs<api::Gate::LoginParams>().setToken(token.c_str());
           });
}

std::string crafted_call(std::uint32_t question, std::uint32_t of, const std::vector<std::uint16_t>& path,
                         std::uint64_t interface_id, std::uint16_t method, const crafted_pointer& crafted) {
    std::string frame = call_frame(question, of, path, interface_id, method, [](auto content) {
        auto data = content.initAsAnyStruct(3, 1).getDataSection();
        std::memcpy(data.begin(), &mark, sizeof mark);
    });
    const std::size_t at = frame.find(std::string_view{reinterpret_cast<const char*>(&mark), sizeof mark});
    const std::uint64_t words[] = {crafted.first, crafted.second, 0, crafted.pointer};
    std::memcpy(frame.data() + at, words, sizeof words);
    return frame;
}

std::vector<crafted_pointer> crafted_pointers() {
    constexpr std::uint64_t void_kind = 0, byte_kind = 2, pointer_kind = 6, composite_kind = 7;
    constexpr std::uint64_t most = (1U << 29) - 1;
    return {
        {"a struct that is its own pointer", struct_pointer(-1, 0, 1)},
        {"a list of pointers that holds itself", list_pointer(-1, pointer_kind, 1)},
        {"a composite list whose element is itself", list_pointer(-4, composite_kind, 4), struct_pointer(1, 2, 1)},
        {"a list of half a billion voids", list_pointer(0, void_kind, most)},
        {"a million structs of no size", list_pointer(-4, composite_kind, 0), struct_pointer(1 << 20, 0, 0)},
        {"half a billion structs of no size", list_pointer(-4, composite_kind, 0),
         struct_pointer((1 << 29) - 1, 0, 0)},
        {"a composite list with a negative count", list_pointer(-4, composite_kind, 1), struct_pointer(-1, 1, 0)},
        {"a composite list larger than it says", list_pointer(-4, composite_kind, 1), struct_pointer(1000, 1, 0)},
        {"a struct beyond the end", struct_pointer(1 << 28, 1, 1)},
        {"a struct before the beginning", struct_pointer(-(1 << 28), 1, 1)},
        {"a struct as large as structs are", struct_pointer(0, 0xffff, 0xffff)},
        {"a list of bytes beyond the end", list_pointer(0, byte_kind, most)},
        {"a far pointer to itself", far_pointer(false, 0, 0)},
        {"a far pointer to no segment", far_pointer(false, 0, 0xffff'ffff)},
        {"a double-far pointer into itself", far_pointer(true, 0, 0)},
        {"a capability that is none", 3 | std::uint64_t{0xffff'ffff} << 32},
        {"a pointer of no kind", 0xffff'ffff'ffff'ffff},
    };
}

std::string answer_to(int fd, std::uint32_t question) {
    const timeval longest{30, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    try {
        for (;;) {
            capnp::StreamFdMessageReader reader(fd);
            const auto message = reader.getRoot<capnp::rpc::Message>();
            if (message.isAbort()) return "closed";
            if (!message.isReturn() || message.getReturn().getAnswerId() != question) continue;
            const auto answer = message.getReturn();
            if (answer.isException()) return std::string{"exception "} + answer.getException().getReason().cStr();
            return "results";
        }
    } catch (const kj::Exception&) {
        return "closed";
    }
}

} // namespace coppice::end_to_end

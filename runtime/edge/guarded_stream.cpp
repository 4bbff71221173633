#include "runtime/edge/guarded_stream.hpp"

#include <kj/debug.h>

namespace coppice {

kj::Promise<std::size_t> guarded_stream::tryRead(void* buffer, std::size_t least, std::size_t most) {
    if (writes_ > 0 && ++unheard_ > limits::rpc_reads_unheard_max) {
        auto paf = kj::newPromiseAndFulfiller<void>();
        resume_ = kj::mv(paf.fulfiller);
        return paf.promise.then([this, buffer, least, most] { return tryRead(buffer, least, most); });
    }
    if (!connection_->known) return read_of_stranger(buffer, least, most);
    return inner_->tryRead(buffer, least, most);
}

kj::Promise<std::size_t> guarded_stream::read_of_stranger(void* buffer, std::size_t least, std::size_t most) {
    // Known beforehand, for the most part: a message tells its size first.
    if (said_ + least > limits::rpc_stranger_bytes_max)
        return KJ_EXCEPTION(FAILED, "too much was sent before a login");
    return inner_->tryRead(buffer, least, most).then([this](std::size_t size) {
        said_ += size;
        return size;
    });
}

kj::Promise<void> guarded_stream::write(const void* buffer, std::size_t size) {
    return watched(inner_->write(buffer, size));
}

kj::Promise<void> guarded_stream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
    return watched(inner_->write(pieces));
}

kj::Promise<void> guarded_stream::watched(kj::Promise<void> write) {
    ++writes_;
    return write.then([this] { written(); });
}

void guarded_stream::written() {
    --writes_;
    unheard_ = 0;
    KJ_IF_MAYBE (resume, resume_) {
        (*resume)->fulfill();
        resume_ = nullptr;
    }
}

} // namespace coppice

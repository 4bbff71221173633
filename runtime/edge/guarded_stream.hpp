// The bytes of a connection, as Cap'n Proto is given them, with two bounds that it does not have itself.
//
// A stranger, who has not logged in, may send a few messages, and not the start of a large one: no memory is given
// to somebody of whom nothing is known. And who does not read what they are answered is not read from any more: the
// RPC system queues answers without a bound, so the only way to keep that queue short is to take no more calls.
#pragma once

#include <kj/async-io.h>

#include "runtime/edge/connection.hpp"

namespace coppice {

class guarded_stream final : public kj::AsyncIoStream {
  public:
    guarded_stream(kj::Own<kj::AsyncIoStream> inner, connection_ptr connection)
        : inner_(kj::mv(inner)), connection_(std::move(connection)) {}

    // Fails when a stranger says too much.
    kj::Promise<std::size_t> tryRead(void* buffer, std::size_t least, std::size_t most) override;
    kj::Promise<void> write(const void* buffer, std::size_t size) override;
    kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
    kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
    void shutdownWrite() override { inner_->shutdownWrite(); }
    void abortRead() override { inner_->abortRead(); }
    void getsockopt(int level, int option, void* value, kj::uint* length) override {
        inner_->getsockopt(level, option, value, length);
    }
    void setsockopt(int level, int option, const void* value, kj::uint length) override {
        inner_->setsockopt(level, option, value, length);
    }

  private:
    kj::Promise<std::size_t> read_of_stranger(void* buffer, std::size_t least, std::size_t most);
    kj::Promise<void> watched(kj::Promise<void> write);
    void written();

    kj::Own<kj::AsyncIoStream> inner_;
    connection_ptr connection_;
    std::size_t said_ = 0;    // bytes, by a stranger
    std::size_t writes_ = 0;  // that wait for the peer to read
    std::size_t unheard_ = 0; // reads since such a write began
    kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> resume_;
};

} // namespace coppice

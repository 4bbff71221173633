// What the hostile tests share: a socket that says what it likes, a session that calls what it likes, and the
// demand that the node is afterwards as it was before.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include <optional>
#include <string>
#include <string_view>

#include "schema/api.capnp.h"
#include "schema/errc.hpp"
#include "schema/wire_ids.hpp"
#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {

// A TCP connection of bytes.
class raw_connection {
  public:
    explicit raw_connection(const std::string& address);
    ~raw_connection();
    raw_connection(const raw_connection&) = delete;
    raw_connection& operator=(const raw_connection&) = delete;

    // What the node takes of it; it may have hung up.
    void send(std::string_view bytes) const;
    void end_input() const;
    // Whether the node hangs up within `within`. What it says before is thrown away.
    bool is_hung_up(std::chrono::milliseconds within = patience) const;
    int fd() const { return fd_; }

  private:
    int fd_ = -1;
};

int pid_of(const node& n);
std::size_t descriptors_of(const node& n);
std::size_t resident_kb_of(const node& n);
// The most that it ever had since the last `forget_peak_of`.
std::size_t peak_kb_of(const node& n);
void forget_peak_of(const node& n);
// The operator's token, or a fresh one.
std::string operator_token(const node& n);
std::string token_for(const node& n, const std::string& role, const std::string& tenant = {},
                      const std::vector<std::string>& more = {});
environment with_token(const node& n, const std::string& token);

// Remembers a quiet node, and demands later that it is as quiet again.
class quiet_node {
  public:
    explicit quiet_node(const node& n);
    // Alive, answers a fresh client, holds no connection more, has not grown by more than `growth_kb`.
    void check_unharmed(std::size_t growth_kb = 64 * 1024) const;
    // And nothing was committed since.
    void check_untouched(std::size_t growth_kb = 64 * 1024) const;

  private:
    const node& node_;
    std::size_t descriptors_;
    std::size_t resident_kb_;
    std::string rows_;
};

// A connection of Cap'n Proto's own client, which says what this program's client would not.
class session {
  public:
    session(const node& n, const std::string& token);

    kj::WaitScope& scope() { return io_.waitScope; }
    errc login_code() const { return login_code_; }
    api::JobService::Client jobs() { return grant_.getJobs(); }
    api::WorkerService::Client workers() { return grant_.getWorkers(); }
    api::PlatformService::Client platform() { return grant_.getPlatform(); }
    api::Grant::Reader grant() const { return grant_; }
    api::Gate::Client gate() { return gate_; }
    kj::Timer& timer() { return io_.provider->getTimer(); }

  private:
    kj::AsyncIoContext io_;
    kj::Own<kj::AsyncIoStream> stream_;
    capnp::TwoPartyClient rpc_;
    api::Gate::Client gate_;
    capnp::Response<api::Gate::LoginResults> login_;
    errc login_code_;
    api::Grant::Reader grant_;
};

inline errc code_of(api::Failure::Reader f) { return errc_from_number(f.getCode()); }
inline std::string name_of(api::Failure::Reader f) { return std::string{to_string(code_of(f))}; }
inline std::string text_of(capnp::Text::Reader t) { return {t.begin(), t.size()}; }

// One job of the type "exec" by default; the answer's failure code and id.
struct submit_answer {
    errc code = errc::ok;
    std::string detail;
    job_id id;
};
struct job_wish {
    std::string tenant = "default";
    std::string type = "exec";
    std::string payload = R"({"argv":["true"]})";
    std::string key;
    std::vector<job_id> after;
    int priority = 0;
    std::uint64_t delay_ms = 0;
};
submit_answer submit_one(session& s, const job_wish& wish);

} // namespace coppice::end_to_end

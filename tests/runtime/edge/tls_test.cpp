#include "runtime/edge/tls.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <openssl/ssl.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace coppice;
namespace fs = std::filesystem;

namespace {

// Two CAs and what they signed, made with the openssl command; once for the whole program run.
class authority {
  public:
    authority() {
        std::string name = (fs::temp_directory_path() / "coppice-tls-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory_ = name;
        make_ca("ca");
        make_ca("other-ca");
        sign("node", "node.example", "ca");
        sign("node2", "node.example", "ca");
        sign("client", "client", "ca");
        sign("stranger", "client", "other-ca");
        sign("old", "node.example", "ca", -1);
    }
    ~authority() { fs::remove_all(directory_); }
    authority(const authority&) = delete;
    authority& operator=(const authority&) = delete;

    std::string chain(const std::string& name) const { return (directory_ / (name + ".crt")).string(); }
    std::string key(const std::string& name) const { return (directory_ / (name + ".key")).string(); }
    std::string put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::string path = (directory_ / name).string();
        std::ofstream{path, std::ios::trunc} << text;
        BOOST_REQUIRE(::chmod(path.c_str(), mode) == 0);
        return path;
    }
    static std::string text_of(const std::string& path) {
        std::ifstream in{path};
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }
    void run(const std::string& command) const {
        const std::string line = "cd '" + directory_.string() + "' && umask 077 && (" + command + ") 2>/dev/null";
        BOOST_REQUIRE_MESSAGE(std::system(line.c_str()) == 0, line); // NOLINT: fixed arguments
    }

  private:
    void make_ca(const std::string& name) const {
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout " + name +
            ".key -out " + name + ".crt -subj /CN=" + name + " -addext basicConstraints=critical,CA:TRUE");
    }
    void sign(const std::string& name, const std::string& host, const std::string& ca, int days = 2) const {
        run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key -out " + name +
            ".csr -subj /CN=" + host + " && echo subjectAltName=DNS:" + host + " > ext && openssl x509 -req -in " +
            name + ".csr -CA " + ca + ".crt -CAkey " + ca + ".key -set_serial 0x" +
            std::to_string(std::hash<std::string>{}(name) % 1'000'000) + " -days " + std::to_string(days) +
            " -extfile ext -out " + name + ".crt");
    }
    fs::path directory_;
};

const authority& files() {
    static const authority made;
    return made;
}

struct outcome {
    std::string server, client; // "ok", or what went wrong
};

struct loop_with_tls {
    tls_server server(const std::string& name = "node", const std::string& client_ca = {}) {
        auto loaded = tls_server::load({files().chain(name), files().key(name), client_ca}, clock);
        BOOST_REQUIRE_MESSAGE(loaded, loaded.error().detail);
        return std::move(*loaded);
    }
    static tls_client client(const std::string& ca = files().chain("ca"), const std::string& name = {}) {
        auto loaded =
            tls_client::load({ca, name.empty() ? "" : files().chain(name), name.empty() ? "" : files().key(name)});
        BOOST_REQUIRE_MESSAGE(loaded, loaded.error().detail);
        return std::move(*loaded);
    }

    // A handshake over a pair of sockets, and a word each way through it.
    outcome shake(const tls_server& s, const tls_client& c, const std::string& host = "node.example") {
        auto pipe = io.provider->newTwoWayPipe();
        const auto fault = [](kj::Exception&& e) { return kj::str(e.getDescription()); };
        auto served = s.wrap(kj::mv(pipe.ends[0])).then([](kj::Own<kj::AsyncIoStream> stream) {
            auto word = kj::heapArray<char>(4);
            auto read = stream->tryRead(word.begin(), 4, 4);
            return read
                .then([&stream = *stream, word = kj::mv(word)](std::size_t size) -> kj::Promise<kj::String> {
                    if (std::string(word.begin(), size) != "ping") return kj::str("no word");
                    return stream.write("pong", 4).then([] { return kj::str("ok"); });
                })
                .attach(kj::mv(stream));
        });
        auto called = c.wrap(kj::mv(pipe.ends[1]), host).then([](kj::Own<kj::AsyncIoStream> stream) {
            auto written = stream->write("ping", 4);
            return written.then([&stream = *stream] { return stream.readAllText(); })
                .attach(kj::mv(stream))
                .then([](kj::String text) { return text == "pong" ? kj::str("ok") : kj::str("no answer"); });
        });
        // A client refused by its certificate learns of it only when it reads (TLS 1.3), hence the faults last.
        auto client_said = called.catch_(fault).eagerlyEvaluate(nullptr);
        auto server_said = served.catch_(fault);
        auto& timer = io.provider->getTimer();
        const auto said = [&](kj::Promise<kj::String> promise) {
            return std::string{timer.timeoutAfter(20 * kj::SECONDS, kj::mv(promise)).wait(io.waitScope).cStr()};
        };
        outcome result;
        result.server = said(kj::mv(server_said));
        result.client = said(kj::mv(client_said));
        return result;
    }

    kj::AsyncIoContext io = kj::setupAsyncIo();
    kj::TimerImpl clock{kj::origin<kj::TimePoint>()};
};

// A handshake of OpenSSL's own client, of one version, in a thread; the version spoken, or "refused".
std::string spoken_version(loop_with_tls& loop, const tls_server& server, int version) {
    int ends[2]; // NOLINT: as socketpair has it
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    std::string spoken = "refused";
    std::thread client{[&] {
        SSL_CTX* context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, version);
        SSL_CTX_set_max_proto_version(context, version);
        SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
        SSL* ssl = SSL_new(context);
        SSL_set_fd(ssl, ends[1]);
        if (SSL_connect(ssl) == 1) spoken = SSL_get_version(ssl);
        SSL_free(ssl);
        SSL_CTX_free(context);
        ::close(ends[1]);
    }};
    auto stream = loop.io.lowLevelProvider->wrapSocketFd(ends[0], kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP);
    server.wrap(kj::mv(stream))
        .then([](kj::Own<kj::AsyncIoStream>) {}, [](kj::Exception&&) {})
        .wait(loop.io.waitScope);
    client.join();
    return spoken;
}

void check_refused(const tls_server_files& set, const std::string& file, const std::string& word,
                   errc code = errc::invalid_argument) {
    kj::TimerImpl clock{kj::origin<kj::TimePoint>()};
    const auto loaded = tls_server::load(set, clock);
    BOOST_REQUIRE(!loaded);
    BOOST_TEST(to_string(loaded.error().code) == to_string(code));
    BOOST_TEST(loaded.error().detail.find(file) != std::string::npos, loaded.error().detail);
    BOOST_TEST(loaded.error().detail.find(word) != std::string::npos, loaded.error().detail);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(tls, loop_with_tls)

BOOST_AUTO_TEST_CASE(a_client_that_trusts_the_ca_speaks_with_the_server) {
    const outcome result = shake(server(), client());
    BOOST_TEST(result.server == "ok");
    BOOST_TEST(result.client == "ok");
}

BOOST_AUTO_TEST_CASE(a_server_of_another_ca_or_name_or_time_is_refused_by_the_client) {
    BOOST_TEST(shake(server(), client(files().chain("other-ca"))).client != "ok");
    BOOST_TEST(shake(server(), client(), "other.example").client != "ok");
    BOOST_TEST(shake(server("old"), client()).client != "ok");
    BOOST_TEST(shake(server(), client("")).client != "ok"); // not in the system's trust store either
}

BOOST_AUTO_TEST_CASE(every_ca_of_a_bundle_is_trusted) {
    const std::string both =
        authority::text_of(files().chain("other-ca")) + "\n# a comment\n" + authority::text_of(files().chain("ca"));
    const outcome result = shake(server(), client(files().put("both.crt", both)));
    BOOST_TEST(result.client == "ok");
}

BOOST_AUTO_TEST_CASE(clients_are_asked_for_a_certificate_when_a_ca_for_them_is_set) {
    const tls_server strict = server("node", files().chain("ca"));
    const outcome good = shake(strict, client(files().chain("ca"), "client"));
    BOOST_TEST(good.server == "ok");
    BOOST_TEST(good.client == "ok");
    const outcome none = shake(strict, client());
    BOOST_TEST(none.server != "ok");
    BOOST_TEST(none.client != "ok");
    const outcome stranger = shake(strict, client(files().chain("ca"), "stranger"));
    BOOST_TEST(stranger.server != "ok");
    BOOST_TEST(stranger.client != "ok");
}

BOOST_AUTO_TEST_CASE(tls_1_2_and_1_3_are_spoken_and_nothing_older) {
    const tls_server s = server();
    BOOST_TEST(spoken_version(*this, s, TLS1_3_VERSION) == "TLSv1.3");
    BOOST_TEST(spoken_version(*this, s, TLS1_2_VERSION) == "TLSv1.2");
    BOOST_TEST(spoken_version(*this, s, TLS1_1_VERSION) == "refused");
    BOOST_TEST(spoken_version(*this, s, TLS1_VERSION) == "refused");
}

BOOST_AUTO_TEST_CASE(a_reload_is_for_new_connections_and_a_failed_one_changes_nothing) {
    const std::string chain = files().put("live.crt", authority::text_of(files().chain("old")));
    const std::string key = files().put("live.key", authority::text_of(files().key("old")));
    auto loaded = tls_server::load({chain, key, {}}, clock);
    BOOST_REQUIRE(loaded);
    BOOST_TEST(shake(*loaded, client()).client != "ok"); // expired
    files().put("live.crt", authority::text_of(files().chain("node")));
    BOOST_TEST(!loaded->reload()); // the key is still the old one
    BOOST_TEST(shake(*loaded, client()).client != "ok");
    files().put("live.key", authority::text_of(files().key("node")));
    BOOST_REQUIRE(loaded->reload());
    BOOST_TEST(shake(*loaded, client()).client == "ok");
    fs::remove(chain);
    BOOST_TEST(!loaded->reload());
    BOOST_TEST(shake(*loaded, client()).client == "ok");
}

BOOST_AUTO_TEST_CASE(a_connection_outlives_the_context_that_it_began_with) {
    auto s = server();
    auto pipe = io.provider->newTwoWayPipe();
    auto served = s.wrap(kj::mv(pipe.ends[0])).eagerlyEvaluate(nullptr);
    auto called = client().wrap(kj::mv(pipe.ends[1]), "node.example"); // the client's context is gone already
    BOOST_REQUIRE(s.reload());
    auto there = called.wait(io.waitScope);
    auto here = served.wait(io.waitScope);
    BOOST_REQUIRE(s.reload());
    there->write("x", 1).wait(io.waitScope);
    char c = 0;
    BOOST_TEST(here->tryRead(&c, 1, 1).wait(io.waitScope) == 1U);
    BOOST_TEST(c == 'x');
}

BOOST_AUTO_TEST_CASE(whoever_connects_and_says_nothing_is_hung_up_on) {
    const tls_server s = server();
    auto pipe = io.provider->newTwoWayPipe();
    bool broken = false;
    auto served = s.wrap(kj::mv(pipe.ends[0]))
                      .then([](kj::Own<kj::AsyncIoStream>) {}, [&](kj::Exception&&) { broken = true; })
                      .eagerlyEvaluate(nullptr);
    io.waitScope.poll();
    clock.advanceTo(clock.now() + 9 * kj::SECONDS);
    io.waitScope.poll();
    BOOST_TEST(!broken);
    clock.advanceTo(clock.now() + 1 * kj::SECONDS);
    served.wait(io.waitScope);
    BOOST_TEST(broken);
}

BOOST_AUTO_TEST_CASE(garbage_breaks_its_own_connection_only) {
    const tls_server s = server();
    for (const std::string text : {"GET / HTTP/1.1\r\n\r\n", "", "\x16\x03\x01\xff\xff"}) {
        auto pipe = io.provider->newTwoWayPipe();
        pipe.ends[1]->write(text.data(), text.size()).wait(io.waitScope);
        pipe.ends[1]->shutdownWrite();
        bool broken = false;
        s.wrap(kj::mv(pipe.ends[0]))
            .then([](kj::Own<kj::AsyncIoStream>) {}, [&](kj::Exception&&) { broken = true; })
            .wait(io.waitScope);
        BOOST_TEST(broken, text);
    }
    BOOST_TEST(shake(s, client()).client == "ok");
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_used_are_named) {
    const std::string chain = files().chain("node"), key = files().key("node");
    check_refused({"/no/such.crt", key, {}}, "/no/such.crt", "No such file", errc::not_found);
    check_refused({chain, "/no/such.key", {}}, "/no/such.key", "No such file", errc::not_found);
    check_refused({chain, key, "/no/such.ca"}, "/no/such.ca", "No such file", errc::not_found);
    check_refused({key, key, {}}, key, "certificates in PEM");
    check_refused({chain, chain, {}}, chain, "not a private key");
    check_refused({chain, files().key("node2"), {}}, files().key("node2"), "belong together");
    check_refused({chain, key, key}, key, "no certificate");
    check_refused({files().put("empty.crt", ""), key, {}}, "empty.crt", "certificates in PEM");
    check_refused({files().put("big.crt", std::string(600 * 1024, '-')), key, {}}, "big.crt", "larger than");
    std::string damaged = authority::text_of(files().chain("ca"));
    damaged.replace(damaged.size() / 2, 4, "AAAA");
    damaged.resize(damaged.size() - 40);
    check_refused({chain, key, files().put("damaged.crt", damaged)}, "damaged.crt", "damaged");
    for (const mode_t mode : {0644, 0604, 0620})
        check_refused({chain, files().put("open.key", authority::text_of(key), mode), {}}, "open.key", "chmod 600");
    files().run("openssl ec -in node.key -aes256 -passout pass:x -out locked.key");
    check_refused({chain, files().key("locked"), {}}, "locked.key", "encrypted");
    BOOST_TEST(!tls_client::load({"/no/such.ca", {}, {}}));
    BOOST_TEST(!tls_client::load({files().chain("ca"), chain, {}}));
}

BOOST_AUTO_TEST_SUITE_END()

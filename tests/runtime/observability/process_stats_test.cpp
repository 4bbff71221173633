#include "runtime/observability/process_stats.hpp"

#include <boost/test/unit_test.hpp>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace coppice {
namespace {

constexpr std::size_t page = 4096;

// Not instrumented: the sanitizers' own notes on these pages would be anonymous memory too.
__attribute__((no_sanitize("thread", "address"))) void touch(char* memory, std::size_t size) {
    for (std::size_t i = 0; i < size; i += page) memory[i] = 1;
}

} // namespace

BOOST_AUTO_TEST_SUITE(process)

BOOST_AUTO_TEST_CASE(touched_memory_is_anonymous_and_a_mapped_file_is_not) {
    constexpr std::size_t size = std::size_t{64} << 20;
    const process_stats before = read_process_stats();
    auto* memory =
        static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    BOOST_REQUIRE(memory != MAP_FAILED);
    touch(memory, size);
    const process_stats after = read_process_stats();
    BOOST_TEST(after.anonymous_bytes >= before.anonymous_bytes + size / 10 * 9); // the kernel counts a little late
    BOOST_TEST(after.resident_bytes >= after.anonymous_bytes);
    BOOST_TEST(after.virtual_bytes >= before.virtual_bytes + size);
    ::munmap(memory, size);

    const int file = ::memfd_create("coppice-test", 0);
    BOOST_REQUIRE(file >= 0);
    BOOST_REQUIRE(::ftruncate(file, size) == 0);
    auto* shared = static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    BOOST_REQUIRE(shared != MAP_FAILED);
    const process_stats unmapped = read_process_stats();
    touch(shared, size);
    const process_stats mapped = read_process_stats();
    BOOST_TEST(mapped.resident_bytes >= unmapped.resident_bytes + size / 10 * 9);
    BOOST_TEST(mapped.anonymous_bytes < unmapped.anonymous_bytes + size / 2);
    ::munmap(shared, size);
    ::close(file);
}

BOOST_AUTO_TEST_CASE(open_descriptors_are_counted_one_by_one) {
    const process_stats before = read_process_stats();
    const int a = ::dup(0), b = ::dup(0);
    BOOST_REQUIRE(a >= 0);
    BOOST_REQUIRE(b >= 0);
    BOOST_TEST(read_process_stats().open_fds == before.open_fds + 2);
    ::close(a);
    ::close(b);
    BOOST_TEST(read_process_stats().open_fds == before.open_fds);
    BOOST_TEST(before.max_fds >= before.open_fds);
}

BOOST_AUTO_TEST_CASE(threads_processor_time_and_the_start_are_this_processes_own) {
    const process_stats before = read_process_stats();
    BOOST_TEST(before.threads >= 1U);
    std::jthread burner{[](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
        }
    }};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    process_stats now = read_process_stats();
    BOOST_TEST(now.threads == before.threads + 1);
    while (now.cpu_seconds < before.cpu_seconds + 0.1 && std::chrono::steady_clock::now() < deadline)
        now = read_process_stats();
    BOOST_TEST(now.cpu_seconds >= before.cpu_seconds + 0.1);

    const instant started = process_start_time();
    BOOST_TEST((started <= wall_clock_now() + std::chrono::seconds{1}));
    BOOST_TEST((started > wall_clock_now() - std::chrono::hours{1}));
    const auto again = process_start_time();
    BOOST_TEST(std::abs((again - started).count()) < 1'000'000);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice

#include "runtime/executors/exec_launch.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/executors/exec_outcome.hpp"
#include "schema/limits.hpp"

namespace coppice::executors {

namespace {

constexpr const char* parents_name = "job_parents.ndjson";
constexpr const char* checkpoint_name = "job_checkpoint";
constexpr std::size_t request_overhead = 16 * 1024; // header, paths, and the environment that every job gets
#ifdef MFD_NOEXEC_SEAL
constexpr unsigned memfd_no_exec = MFD_NOEXEC_SEAL;
#else
constexpr unsigned memfd_no_exec = 0x0008U; // Linux 6.3; older headers do not name it
#endif

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

struct found_program {
    std::string path;
    int error = 0;
};

// As execvp(3) searches, but in the job's PATH and without its fallback to a shell.
found_program find_program(const std::string& name, const std::string& search_path) {
    if (name.find('/') != std::string::npos) return {name, 0};
    int error = ENOENT;
    for (std::size_t at = 0; at <= search_path.size();) {
        const auto colon = std::min(search_path.find(':', at), search_path.size());
        const auto candidate = search_path.substr(at, colon - at) + "/" + name;
        at = colon + 1;
        struct stat status {};
        if (candidate.front() != '/' || ::stat(candidate.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
            continue;
        if (::access(candidate.c_str(), X_OK) == 0) return {candidate, 0};
        error = EACCES;
    }
    return {{}, error};
}

// stdin as a sealed file in memory: unlike a pipe it needs nobody to write it, never blocks, and does not mind a
// program that never reads it.
unique_fd make_stdin(std::string_view bytes) {
    if (bytes.empty()) return unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    unique_fd file(::memfd_create("job-stdin", flags | memfd_no_exec));
    if (!file && errno == EINVAL) file.reset(::memfd_create("job-stdin", flags));
    while (file && !bytes.empty()) {
        const auto size = ::write(file.get(), bytes.data(), bytes.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return unique_fd();
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    if (!file || ::lseek(file.get(), 0, SEEK_SET) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return unique_fd();
    return file;
}

bool make_pipe(unique_fd& read_end, unique_fd& write_end) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
    return ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) == 0;
}

attempt_outcome refused(const failure& error) {
    attempt_outcome outcome;
    outcome.kind = outcome_kind::failed;
    outcome.error = error;
    return outcome;
}

} // namespace

expected<void> check_job(const exec_job& job) {
    if (job.argv.empty() || job.argv.front().empty())
        return fail(errc::invalid_argument, "argv[0] names no program");
    if (job.argv.size() > limits::exec_arguments_max) return fail(errc::invalid_argument, "too many arguments");
    if (job.env.size() + 16 > limits::exec_environment_max)
        return fail(errc::invalid_argument, "too many environment variables");
    std::size_t size = request_overhead;
    for (const auto& argument : job.argv) {
        if (has_nul(argument)) return fail(errc::invalid_argument, "an argument holds a NUL");
        if (argument.size() > limits::exec_argument_size_max)
            return fail(errc::invalid_argument, "an argument of " + std::to_string(argument.size()) + " bytes");
        size += argument.size() + 1;
    }
    for (const auto& [name, value] : job.env) {
        if (name.empty() || has_nul(name) || has_nul(value) || name.find('=') != std::string::npos)
            return fail(errc::invalid_argument, "an environment variable that is none: \"" + name + "\"");
        size += name.size() + value.size() + 2;
    }
    if (has_nul(job.work.tenant) || has_nul(job.work.type))
        return fail(errc::invalid_argument, "a name holds a NUL");
    size += job.work.tenant.size() + job.work.type.size();
    if (size > limits::exec_request_size_max)
        return fail(errc::invalid_argument, "arguments and environment pass " +
                                                std::to_string(limits::exec_request_size_max - request_overhead) +
                                                " bytes; larger input belongs in the payload, on stdin");
    return {};
}

std::string parents_text(const std::vector<parent_result>& parents) {
    std::string text;
    for (const auto& parent : parents) {
        nlohmann::json line{
            {"id", to_string(parent.job)}, {"type", parent.type}, {"state", to_string(parent.state)}};
        if (parent.truncated)
            line["truncated"] = true;
        else
            line["result"] = parent.result;
        text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        text += '\n';
    }
    return text;
}

std::vector<std::string> environment_of(const exec_job& job, const std::string& search_path,
                                        const std::string& directory, const job_files& files) {
    std::map<std::string, std::string> variables{
        {"PATH", search_path}, {"HOME", directory}, {"TMPDIR", directory}, {"LANG", "C.UTF-8"}};
    for (const auto& [name, value] : job.env)
        if (!name.starts_with("JOB_")) variables[name] = value;
    variables["JOB_ID"] = to_string(job.work.ref.job);
    variables["JOB_ATTEMPT"] = std::to_string(job.work.ref.attempt);
    variables["JOB_TENANT"] = job.work.tenant;
    variables["JOB_TYPE"] = job.work.type;
    variables["JOB_WORKDIR"] = directory;
    variables["JOB_SLOTS"] = std::to_string(job.work.slots);
    if (!files.parents.empty()) variables["JOB_PARENTS"] = files.parents;
    if (!job.work.traceparent.empty()) variables["TRACEPARENT"] = job.work.traceparent;
    if (!files.checkpoint.empty()) variables["JOB_CHECKPOINT"] = files.checkpoint;
    std::vector<std::string> environment;
    environment.reserve(variables.size());
    for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
    return environment;
}

tl::expected<launch, attempt_outcome> prepare(const exec_job& job, std::uint64_t token,
                                              const std::string& search_path, work_root& root) {
    const auto& ref = job.work.ref;
    auto directory = root.make(ref);
    if (!directory) return tl::unexpected(refused(directory.error()));
    job_files files;
    if (!job.work.parents.empty()) {
        auto written = root.write_file(ref, parents_name, parents_text(job.work.parents));
        if (!written) return tl::unexpected(refused(written.error()));
        files.parents = std::move(*written);
    }
    if (!job.work.checkpoint.empty()) {
        auto written = root.write_file(ref, checkpoint_name, job.work.checkpoint);
        if (!written) return tl::unexpected(refused(written.error()));
        files.checkpoint = std::move(*written);
    }
    launch made;
    made.request.env = environment_of(job, search_path, *directory, files);
    std::string path = search_path;
    for (const auto& [name, value] : job.env)
        if (name == "PATH") path = value;
    auto program = find_program(job.argv.front(), path);
    if (program.error != 0) return tl::unexpected(outcome_of_failed_start(job.argv.front(), program.error));
    made.standard[0] = make_stdin(job.stdin_bytes);
    if (!made.standard[0] || !make_pipe(made.out, made.standard[1]) || !make_pipe(made.err, made.standard[2]))
        return tl::unexpected(outcome_of_failed_start(job.argv.front(), errno));
    made.request.token = token;
    made.request.program = std::move(program.path);
    made.request.directory = std::move(*directory);
    made.request.argv = job.argv;
    made.request.rlimits = job.rlimits;
    return made;
}

} // namespace coppice::executors

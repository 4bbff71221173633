#include <string_view>

#include "runtime/cli/command_line.hpp"
#include "runtime/executors/warden.hpp"
#include "runtime/node/node.hpp"

int main(int argc, char** argv) {
    // Before anything else: the warden must have one thread and nothing open.
    if (argc == 2 && std::string_view(argv[1]) == coppice::warden_subcommand)
        return coppice::warden_main(coppice::warden_socket);
    return coppice::cli::run_command_line(argc, argv, coppice::run_node);
}

// coppice version
#include "runtime/cli/commands.hpp"

namespace coppice::cli {

void add_version_command(const command_registry& commands) {
    auto format = std::make_shared<output_format>(output_format::table);
    auto* app = commands.root.add_subcommand("version", "Print the version of this program");
    add_output_flag(*app, *format);
    teach(*app, {"coppice version"}, false);
    commands.on_chosen(*app, "version", [format](invocation& call) {
        call.con.print(*format == output_format::json ? json_object{}.text("version", COPPICE_VERSION).done() + "\n"
                                                      : "coppice " COPPICE_VERSION "\n");
        return exit_status::ok;
    });
}

} // namespace coppice::cli

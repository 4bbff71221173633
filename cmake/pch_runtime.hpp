// Headers that cost most to parse, once for the folder.
#include <caf/all.hpp>
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <map>
#include <string>
#include <vector>

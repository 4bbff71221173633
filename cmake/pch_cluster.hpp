// Headers that cost most to parse, once for the folder.
#include <caf/all.hpp>
#include <map>
#include <string>
#include <vector>

#include "switches.h"

#include <fstream>
#include <sstream>

namespace slipway::fake {

Switches read_switches(const std::string& model_file) {
  std::ifstream in(model_file, std::ios::binary);
  std::string text(64 * 1024, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  const std::size_t at = text.find("fake:");
  Switches s;
  if (at == std::string::npos) return s;
  std::istringstream words(text.substr(at + 5, text.find('\n', at) - at - 5));
  const std::map<std::string, int*> numbers = {{"load_ms", &s.load_ms},
                                               {"load_steps", &s.load_steps},
                                               {"exit_at_start", &s.exit_at_start},
                                               {"tokens", &s.tokens},
                                               {"token_ms", &s.token_ms},
                                               {"hang_after", &s.hang_after},
                                               {"truncate_after", &s.truncate_after},
                                               {"drip_ms", &s.drip_ms},
                                               {"prints", &s.prints},
                                               {"crash_after_ms", &s.crash_after_ms}};
  const std::map<std::string, bool*> flags = {{"load_hangs", &s.load_hangs},
                                              {"garbage", &s.garbage},
                                              {"garbage_control", &s.garbage_control},
                                              {"ignores_term", &s.ignores_term},
                                              {"ignores_parent", &s.ignores_parent}};
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "1" : word.substr(equals + 1);
    if (numbers.contains(name)) *numbers.at(name) = std::stoi(value);
    if (flags.contains(name)) *flags.at(name) = value != "0";
    if (name == "fail_code") s.fail_code = value;
  }
  return s;
}

}  // namespace slipway::fake

// Any text: parse_values returns a value or an error; what parses goes through the local checks.
#include "codec/values.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::codec;
  const Source source{"values.yaml", {reinterpret_cast<const char*>(data), size}};
  const auto spec = parse_values(source);
  if (!spec) {
    (void)spec.error().to_string();
    return 0;
  }
  (void)local_parameters(*spec, source);
  (void)check_local(*spec, 0);
  return 0;
}

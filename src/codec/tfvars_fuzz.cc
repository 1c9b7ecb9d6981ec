// Any text: the parser returns a value or an error, and so does the blueprint reader on top of it.
#include "codec/blueprint.h"
#include "codec/tfvars.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::codec;
  const Source source{"env.tfvars", {reinterpret_cast<const char*>(data), size}};
  if (const auto file = parse_tfvars(source); !file) (void)file.error().to_string();
  const auto blueprint = parse_blueprint(source);
  if (!blueprint) {
    (void)blueprint.error().to_string();
  } else {
    (void)require_local(*blueprint);
  }
  return 0;
}

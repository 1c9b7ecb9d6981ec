// The built-in catalogue's bytes, put into the binary by the compiler.
#include "codec/catalog.h"

#pragma clang diagnostic ignored "-Wc23-extensions"  // #embed is C23; clang has it in C++ too

namespace slipway::codec {
namespace {
constexpr char kText[] = {
#embed "../../platform/catalog/models.yaml"
};
}  // namespace

std::string_view built_in_catalog_text() {
  return {kText, sizeof(kText)};
}

}  // namespace slipway::codec

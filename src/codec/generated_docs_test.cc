// The documents that come from tables: everything below their marker is generated. SLIPWAY_WRITE_DOCS=1
// writes it anew.
#include <gtest/gtest.h>

#include "codec/blueprint.h"
#include "codec/reference_files.h"
#include "codec/values.h"

namespace slipway::codec {
namespace {

constexpr std::string_view kMarker = "<!-- generated from the table in the code; do not edit below -->\n\n";

void expect_generated(const std::string& name, const std::string& body) {
  const std::string path = std::string(SLIPWAY_SOURCE_DIR) + "/docs/" + name;
  const std::string text = read_text(path);
  const std::size_t marker = text.find(kMarker);
  ASSERT_NE(marker, std::string::npos) << path << " lacks its marker";
  const std::string wanted = text.substr(0, marker) + std::string(kMarker) + body;
  if (std::getenv("SLIPWAY_WRITE_DOCS")) std::ofstream(path, std::ios::binary) << wanted;
  EXPECT_TRUE(text == wanted) << path << " is older than its table: run this test with SLIPWAY_WRITE_DOCS=1";
}

TEST(GeneratedDocs, BlueprintVariables) {
  expect_generated("blueprint.md", blueprint_markdown());
}
TEST(GeneratedDocs, ValuesKeys) {
  expect_generated("values.md", values_markdown());
}

}  // namespace
}  // namespace slipway::codec

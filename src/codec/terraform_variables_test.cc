// The table of variables and platform/terraform's own variables agree: a file that serves one serves the
// other.
#include <gtest/gtest.h>

#include <set>

#include "codec/blueprint.h"
#include "codec/platform_files.h"
#include "codec/tfvars.h"
#include "codec/tfvars_convert.h"

namespace slipway::codec {
namespace {

// The body of `variable "name" { ... }`; empty when there is none.
std::string block_of(std::string_view name) {
  for (const PlatformFile& file : platform_files_in("terraform/")) {
    const std::size_t at = file.text.find("variable \"" + std::string(name) + "\" {");
    if (at == std::string_view::npos) continue;
    return std::string(file.text.substr(at, file.text.find("\n}", at) - at));
  }
  return "";
}

// The default as JSON; "none" without one.
std::string default_of(const std::string& block) {
  const std::size_t at = block.find("\n  default");
  if (at == std::string::npos) return "none";
  const std::size_t equals = block.find('=', at);
  const std::string line =
      "default = " + block.substr(equals + 1, block.find("\n\n", equals) - equals - 1) + "\n";
  const auto parsed = parse_tfvars({"variables.tf", line});
  return parsed ? to_json(parsed->front().value) : parsed.error().message();
}

TEST(TerraformVariables, EveryVariableHandedOverIsOneOfTerraformsWithTheSameDefault) {
  // Slipway resolves the version from its dated table; add-ons are merged over Terraform's own map.
  const std::set<std::string_view> own = {"name", "eks_cluster_version", "enable_cluster_addons"};
  for (const Variable& v : blueprint_variables()) {
    if (!(v.targets & kTerraform)) continue;
    const std::string block = block_of(v.name);
    ASSERT_FALSE(block.empty()) << v.name << " is not a variable of platform/terraform";
    if (own.contains(v.name)) continue;
    const auto ours = parse_tfvars({v.name, "default = " + std::string(v.default_text) + "\n"});
    ASSERT_TRUE(ours.has_value()) << v.name;
    EXPECT_EQ(to_json(ours->front().value), default_of(block)) << v.name;
  }
}

TEST(TerraformVariables, TerraformHasNoVariableThatABlueprintCannotSet) {
  for (const PlatformFile& file : platform_files_in("terraform/")) {
    if (!file.path.ends_with(".tf")) continue;
    for (std::size_t at = 0; (at = file.text.find("\nvariable \"", at)) != std::string_view::npos; ++at) {
      const std::size_t from = at + 11;
      const std::string_view name = file.text.substr(from, file.text.find('"', from) - from);
      const Variable* v = find_variable(name);
      ASSERT_NE(v, nullptr) << name;
      EXPECT_TRUE(v->targets & kTerraform) << name;
    }
  }
}

}  // namespace
}  // namespace slipway::codec

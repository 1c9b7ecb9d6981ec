#include "codec/oci_image.h"

#include <gtest/gtest.h>

#include <vector>

#include "codec/json_view.h"

namespace slipway::codec {
namespace {

const OciImage kImage{.reference = "docker.io/library/slipway:0.1.0",
                      .architecture = "amd64",
                      .user = "65532",
                      .entrypoint = {"/usr/bin/slipway"},
                      .environment = {"PATH=/usr/bin"},
                      .labels = {{"org.opencontainers.image.version", "0.1.0"}}};
const OciBlob kBlob{.sha256 = std::string(64, 'a'), .size = 42};

TEST(OciImages, NamesGetTheRegistryThatRuntimesCompareBy) {
  const std::pair<const char*, const char*> names[] = {
      {"slipway:0.1.0", "docker.io/library/slipway:0.1.0"},
      {"team/slipway:0.1.0", "docker.io/team/slipway:0.1.0"},
      {"registry.example.org/slipway:V1_a-b.c", "registry.example.org/slipway:V1_a-b.c"},
      {"localhost/slipway:1", "localhost/slipway:1"},
      {"localhost:5000/a/b/slipway:1", "localhost:5000/a/b/slipway:1"},
      {"registry:5000/slipway:1", "registry:5000/slipway:1"}};
  for (const auto& [name, full] : names) {
    const auto found = image_reference(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(*found, full);
    EXPECT_EQ(*image_reference(*found), full) << "a full name stays as it is";
  }
}

TEST(OciImages, WhatIsNoNameWithATagIsRefused) {
  for (const char* name : {"", ":", "slipway", "slipway:", ":1", "Slipway:1", "slip way:1", "slipway:1 2",
                           "a//b:1", "/a:1", "a/:1", "slipway:-1", "-a:1", "slipway@sha256:0",
                           "localhost:5000/slipway", "host:x/a:1", "host:/a:1", "https://a/b:1"})
    EXPECT_FALSE(image_reference(name)) << name;
  EXPECT_FALSE(image_reference("slipway:" + std::string(129, '1')));
  EXPECT_EQ(image_reference("slipway").error().code(), base::ErrorCode::bad_value);
}

TEST(OciImages, TheConfigurationNamesUserProgramAndLayers) {
  const OciBlob second{.sha256 = std::string(64, 'c'), .size = 9};
  const auto json = parse_json(oci_configuration(kImage, std::vector{kBlob, second}));
  ASSERT_TRUE(json);
  EXPECT_EQ(text(*json, "architecture"), "amd64");
  EXPECT_EQ(text(*json, "os"), "linux");
  const Json& config = field(*json, "config");
  EXPECT_EQ(text(config, "User"), "65532");
  EXPECT_EQ(field(config, "Entrypoint"), Json::array({"/usr/bin/slipway"}));
  EXPECT_EQ(field(config, "Env"), Json::array({"PATH=/usr/bin"}));
  EXPECT_EQ(text(field(config, "Labels"), "org.opencontainers.image.version"), "0.1.0");
  EXPECT_EQ(field(field(*json, "rootfs"), "diff_ids"),
            Json::array({"sha256:" + kBlob.sha256, "sha256:" + second.sha256}))
      << "the lowest first";
}

TEST(OciImages, TheManifestAndTheIndexPointAtTheirBlobs) {
  const auto manifest = parse_json(oci_manifest(kBlob, std::vector{OciBlob{std::string(64, 'b'), 7}, kBlob}));
  ASSERT_TRUE(manifest);
  EXPECT_EQ(field(*manifest, "schemaVersion"), 2);
  EXPECT_EQ(text(field(*manifest, "config"), "digest"), "sha256:" + kBlob.sha256);
  ASSERT_EQ(list(*manifest, "layers").size(), 2u);
  EXPECT_EQ(field(list(*manifest, "layers")[0], "size"), 7);
  EXPECT_EQ(field(list(*manifest, "layers")[1], "size"), 42);
  EXPECT_EQ(text(list(*manifest, "layers")[0], "mediaType"), "application/vnd.oci.image.layer.v1.tar");

  const auto index = parse_json(oci_index(kImage, kBlob));
  ASSERT_TRUE(index);
  ASSERT_EQ(list(*index, "manifests").size(), 1u);
  const Json& entry = list(*index, "manifests")[0];
  EXPECT_EQ(text(field(entry, "platform"), "architecture"), "amd64");
  EXPECT_EQ(text(field(entry, "annotations"), "org.opencontainers.image.ref.name"), kImage.reference);
  EXPECT_EQ(text(field(entry, "annotations"), "io.containerd.image.name"), kImage.reference);
  EXPECT_EQ(text(*parse_json(oci_layout()), "imageLayoutVersion"), "1.0.0");
}

}  // namespace
}  // namespace slipway::codec

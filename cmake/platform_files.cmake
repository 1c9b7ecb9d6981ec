# Writes build/generated/platform_files.inc: every file of platform/ as an array that the compiler #embed-s. ccache does not
# see #embed, so the digest of all files is in the command line of the one source that includes it.
file(GLOB_RECURSE platform_files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/platform ${CMAKE_SOURCE_DIR}/platform/*)
list(FILTER platform_files EXCLUDE REGEX "(^|/)(\\.terraform/|__pycache__/)|\\.tfstate|override\\.tf$|\\.tfplan$")
list(SORT platform_files)
set(arrays "")
set(rows "")
set(digests "")
set(number 0)
foreach(path IN LISTS platform_files)
  file(SHA256 ${CMAKE_SOURCE_DIR}/platform/${path} digest)
  string(APPEND digests ${digest})
  string(APPEND arrays "constexpr char kFile${number}[] = {\n#embed <${path}> suffix(,)\n0};\n")
  string(APPEND rows "    {\"${path}\", {kFile${number}, sizeof(kFile${number}) - 1}},\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/platform/${path})
  math(EXPR number "${number} + 1")
endforeach()
string(SHA256 digest "${digests}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/platform_files.inc
     CONTENT "${arrays}constexpr PlatformFile kFiles[] = {\n${rows}};\n" @ONLY)
set_source_files_properties(src/codec/platform_files.cc PROPERTIES
  COMPILE_DEFINITIONS PLATFORM_DIGEST="${digest}"
  COMPILE_OPTIONS "--embed-dir=${CMAKE_SOURCE_DIR}/platform;-I${CMAKE_BINARY_DIR}/generated")

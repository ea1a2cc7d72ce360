// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5/hdf5.hpp"

#include "harmofl/base/error.hpp"
#include "io/hdf5/hdf5_driver.hpp"
#include "io/hdf5/hdf5_handle.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>

namespace harmofl::hdf5 {
namespace {

constexpr const char* full_disk_remedy = "Free space on the disk or write to another folder.";
constexpr const char* damaged_remedy = "Check the path, or write the file anew.";

/// File access: no locks, and closing the file closes all that is open in it.
Handle access_properties() {
  Handle properties(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fclose_degree(properties, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
  H5Pset_file_locking(properties, false, true);
#endif
  return properties;
}

herr_t keep_innermost(unsigned depth, const H5E_error2_t* error, void* text) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

/// Says why a file that is there cannot be a readable HDF5 file, "" when it may be one.
std::string refusal(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return "there is no such file";
  if (!std::filesystem::is_regular_file(path, error)) return "this is not a regular file";
  if (std::filesystem::file_size(path, error) == 0) return "the file is empty";
  return H5Fis_hdf5(path.c_str()) == 0 ? "this is not an HDF5 file" : "";
}

}  // namespace

void silence() {
  thread_local const bool silenced = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  // A file may name filters, which HDF5 would load as libraries from where the environment says.
  static const bool without_plugins = H5PLset_loading_state(0) >= 0;
  static_cast<void>(silenced && without_plugins);
}

std::string last_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &text);
  const std::string marker = "error message = '";  // what the operating system said
  if (const auto start = text.find(marker); start != std::string::npos) {
    const auto first = start + marker.size();
    return text.substr(first, text.find('\'', first) - first);
  }
  return text;
}

std::string with_cause(const std::string& problem) {
  const std::string cause = last_error();
  return cause.empty() ? problem : problem + " (" + cause + ")";
}

std::int64_t file_bytes(hid_t file) {
  hsize_t bytes = 0;
  return H5Fget_filesize(file, &bytes) < 0 ? 0 : static_cast<std::int64_t>(bytes);
}

Handle open_object(const File& file, hid_t id, const std::string& object) {
  if (!file.exists(object)) file.fail(object, "is missing");
  Handle opened(H5Oopen(id, object.c_str(), H5P_DEFAULT), H5Oclose);
  if (!opened.valid()) file.fail(object, with_cause("cannot be opened"));
  return opened;
}

File File::create(const std::filesystem::path& path, std::filesystem::path shown) {
  silence();
  if (shown.empty()) shown = path;
  auto made = std::make_unique<DrivenFile>(path);
  const Handle properties = access_properties();
  const bool ours = drive(properties, *made);
  const hid_t id = ours ? H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, properties) : -1;
  HARMOFL_VALIDATE(id >= 0, shown.string(), ": ", with_cause("cannot be made"), ". ",
                   full_disk_remedy);
  File file(std::move(shown), full_disk_remedy, std::move(made), id);
  file.check_disk();
  return file;
}

File File::open(const std::filesystem::path& path, std::string remedy) {
  silence();
  if (remedy.empty()) remedy = damaged_remedy;
  const std::string refused = refusal(path);
  HARMOFL_VALIDATE(refused.empty(), path.string(), ": ", refused, ". ", remedy);
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access_properties());
  HARMOFL_VALIDATE(id >= 0, path.string(), ": ", with_cause("cannot be opened as HDF5"), ". ",
                   remedy);
  return {path, std::move(remedy), nullptr, id};
}

File::File(std::filesystem::path path, std::string remedy, std::unique_ptr<DrivenFile> made,
           std::int64_t id)
    : path_(std::move(path)), remedy_(std::move(remedy)), made_(std::move(made)), id_(id) {}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      remedy_(std::move(other.remedy_)),
      made_(std::move(other.made_)),
      id_(std::exchange(other.id_, -1)),
      heaps_(std::move(other.heaps_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(remedy_, other.remedy_);
  std::swap(made_, other.made_);
  std::swap(id_, other.id_);
  std::swap(heaps_, other.heaps_);
  return *this;
}

File::~File() {
  if (id_ >= 0) H5Fclose(id_);
}

void File::fail(const std::string& object, const std::string& problem) const {
  throw UserError(path_.string() + ": " + object + ": " + problem + ". " + remedy_);
}

void File::close(const Trailer& trailer) {
  silence();
  if (id_ < 0) return;
  const bool closed = H5Fclose(std::exchange(id_, -1)) >= 0;
  check_disk();
  if (!closed) fail("/", with_cause("cannot be closed"));
  if (!made_) return;
  made_->blocks.finish(made_->size, trailer);
  check_disk();
  made_.reset();
}

void File::flush() {
  silence();
  if (H5Fflush(id_, H5F_SCOPE_GLOBAL) < 0) fail("/", with_cause("cannot be written"));
}

bool File::disk_failed() const { return made_ && made_->blocks.error() != 0; }

void File::check_disk() const {
  const int error = made_ ? made_->blocks.error() : 0;
  HARMOFL_VALIDATE(error == 0, path_.string(), ": cannot be written: ", std::strerror(error), ". ",
                   remedy_);
}

bool File::exists(const std::string& object) const {
  silence();
  // HDF5 wants every link on the way to be there before it looks at the next.
  for (std::size_t end = object.find('/', 1);; end = object.find('/', end + 1)) {
    const std::string part = object.substr(0, end);
    if (part != "/" && H5Lexists(id_, part.c_str(), H5P_DEFAULT) <= 0) return false;
    H5L_info_t link;
    const bool named = part != "/" && H5Lget_info(id_, part.c_str(), &link, H5P_DEFAULT) >= 0;
    if (named && link.type != H5L_TYPE_HARD) {
      fail(part, "is a link to elsewhere, which is not followed");
    }
    if (end == std::string::npos) break;
  }
  return H5Oexists_by_name(id_, object.c_str(), H5P_DEFAULT) > 0;
}

bool File::is_group(const std::string& object) const {
  if (!exists(object)) return false;
  const Handle opened(H5Oopen(id_, object.c_str(), H5P_DEFAULT), H5Oclose);
  return H5Iget_type(opened) == H5I_GROUP;
}

void File::make_group(const std::string& group) {
  if (exists(group)) return;
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links, 1);
  const Handle made(H5Gcreate2(id_, group.c_str(), links, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  if (!made.valid()) fail(group, with_cause("cannot be written"));
}

std::vector<std::string> File::children(const std::string& group) const {
  const Handle opened = open_object(*this, id_, group);
  if (H5Iget_type(opened) != H5I_GROUP) fail(group, "expected a group, found a dataset");
  std::vector<std::string> names;
  if (H5Literate(opened, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names) < 0) {
    fail(group, with_cause("cannot be listed"));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string library_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return concat(major, ".", minor, ".", release);
}

}  // namespace harmofl::hdf5

// SPDX-License-Identifier: Apache-2.0
/// The layouts that `scan` understands. Private to scanning.
#pragma once

#include "prepare/scan/scan.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// What ends the name of a mask before its ending: <id>_mask.png belongs to <id>.png.
inline constexpr const char* mask_ending = "_mask";

/// Reads `<site>/<id>.png` with `<id>_mask.png`, or `<site>/<class>/<id>.png`. Sets task and sites.
Sources scan_folders(const Options& options);

/// Reads a CSV list. Sets task and sites.
Sources scan_list(const Options& options);

/// MoNuSeg 2018 (Kumar): images and ImageScope's outlines of the same name, in any folders below
/// the input. The patient is that of the TCGA barcode.
Sources scan_monuseg(const Options& options);

/// MoNuSAC 2020: as MoNuSeg, with a folder a patient. Of an image that is there as .svs and as
/// another format, which hold the same, the other one is read.
Sources scan_monusac(const Options& options);

/// TNBC: `Slide_<n>/<id>.png` with `GT_<n>/<id>.png`. The patient is the slide.
Sources scan_tnbc(const Options& options);

/// The authors' own: `<site>/{train,val,test}/{images,labels}/<id>.png`. Ids become <split>/<id>.
Sources scan_authors(const Options& options);

/// MedMNIST: `<site>.npz` with {train,val,test}_images of bytes, [N, H, W] or [N, H, W, 3], and
/// {train,val,test}_labels of whole numbers, [N] or [N, 1]. Ids become <split>_<row>.
Sources scan_medmnist(const Options& options);

/// Puts the samples of one source into the sites of `options.sites_from`, or into the one that
/// `options.site` names, else `name`. Throws UserError for a sample that the file does not name.
Sources in_sites(std::vector<Sample> samples, const Options& options, const std::string& name);

}  // namespace harmofl::prepare

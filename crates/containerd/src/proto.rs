//! The messages of containerd's API that are used here, declared by hand: names and numbers of fields are frozen at v1.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;

type Labels = HashMap<String, String>;

/// `google.protobuf.Empty`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `google.protobuf.FieldMask`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FieldMask {
    #[prost(string, repeated, tag = "1")]
    pub(crate) paths: Vec<String>,
}

/// `containerd.types.Descriptor`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Descriptor {
    #[prost(string, tag = "1")]
    pub(crate) media_type: String,
    #[prost(string, tag = "2")]
    pub(crate) digest: String,
    #[prost(int64, tag = "3")]
    pub(crate) size: i64,
    #[prost(map = "string, string", tag = "5")]
    pub(crate) annotations: Labels,
}

/// `containerd.services.version.v1.VersionResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct VersionResponse {
    #[prost(string, tag = "1")]
    pub(crate) version: String,
}

/// `containerd.services.namespaces.v1`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListNamespacesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) namespaces: Vec<Namespace>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Namespace {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// `containerd.services.leases.v1`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateLeaseRequest {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(map = "string, string", tag = "3")]
    pub(crate) labels: Labels,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeleteLeaseRequest {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(bool, tag = "2")]
    pub(crate) sync: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AddResourceRequest {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) resource: Option<Resource>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) r#type: String,
}

/// `containerd.services.content.v1`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Info {
    #[prost(string, tag = "1")]
    pub(crate) digest: String,
    #[prost(int64, tag = "2")]
    pub(crate) size: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) created_at: Option<Timestamp>,
    #[prost(map = "string, string", tag = "5")]
    pub(crate) labels: Labels,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InfoRequest {
    #[prost(string, tag = "1")]
    pub(crate) digest: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) info: Option<Info>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateInfoRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) info: Option<Info>,
    #[prost(message, optional, tag = "2")]
    pub(crate) update_mask: Option<FieldMask>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReadRequest {
    #[prost(string, tag = "1")]
    pub(crate) digest: String,
    #[prost(int64, tag = "2")]
    pub(crate) offset: i64,
    #[prost(int64, tag = "3")]
    pub(crate) size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReadResponse {
    #[prost(int64, tag = "1")]
    pub(crate) offset: i64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AbortRequest {
    #[prost(string, tag = "1")]
    pub(crate) r#ref: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum WriteAction {
    Stat = 0,
    Write = 1,
    Commit = 2,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(enumeration = "WriteAction", tag = "1")]
    pub(crate) action: i32,
    #[prost(string, tag = "2")]
    pub(crate) r#ref: String,
    #[prost(int64, tag = "3")]
    pub(crate) total: i64,
    #[prost(string, tag = "4")]
    pub(crate) expected: String,
    #[prost(int64, tag = "5")]
    pub(crate) offset: i64,
    #[prost(bytes = "bytes", tag = "6")]
    pub(crate) data: Bytes,
    #[prost(map = "string, string", tag = "7")]
    pub(crate) labels: Labels,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteResponse {
    #[prost(enumeration = "WriteAction", tag = "1")]
    pub(crate) action: i32,
    #[prost(int64, tag = "4")]
    pub(crate) offset: i64,
}

/// `containerd.services.images.v1`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Image {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(map = "string, string", tag = "2")]
    pub(crate) labels: Labels,
    #[prost(message, optional, tag = "3")]
    pub(crate) target: Option<Descriptor>,
    #[prost(message, optional, tag = "7")]
    pub(crate) created_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetImageRequest {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// Also the answer to creating and updating one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ImageResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListImagesRequest {
    #[prost(string, repeated, tag = "1")]
    pub(crate) filters: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListImagesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) images: Vec<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateImageRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateImageRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) image: Option<Image>,
    #[prost(message, optional, tag = "2")]
    pub(crate) update_mask: Option<FieldMask>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeleteImageRequest {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bool, tag = "2")]
    pub(crate) sync: bool,
}

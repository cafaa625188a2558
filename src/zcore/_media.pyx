"""An open media device: what it is, its graph, and its links."""

cimport cython
from libc.errno cimport EINVAL, ENOSPC, ENOTTY
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._sys cimport sys_ioctl
from zcore.uapi.media cimport (
    MEDIA_IOC_DEVICE_INFO,
    MEDIA_IOC_G_TOPOLOGY,
    MEDIA_IOC_SETUP_LINK,
    media_device_info,
    media_link_desc,
    media_v2_entity,
    media_v2_interface,
    media_v2_link,
    media_v2_pad,
    media_v2_topology,
)

from typing import NamedTuple

cdef enum:
    MOST = 1 << 16  # objects of a kind; what is more than that is no graph but a broken driver


class Topology(NamedTuple):
    """A graph, as MEDIA_IOC_G_TOPOLOGY tells it; every entry is a tuple of plain numbers and texts."""

    version: int
    entities: list  # (id, name, function, flags)
    interfaces: list  # (id, type, major, minor)
    pads: list  # (id, entity id, flags, index)
    links: list  # (id, source id, sink id, flags)


def _text(bytes raw):
    return raw.split(b"\0", 1)[0].decode(errors="replace")


@cython.final
cdef class MediaFile:
    """An open ``/dev/mediaN``."""

    cdef readonly Fd fd
    cdef readonly str path, driver, model, serial, bus
    cdef readonly unsigned int media_version, driver_version, hw_revision

    def __init__(self, path):
        cdef media_device_info info
        cdef int result
        self.fd = Fd.open(path)
        self.path = self.fd.name
        memset(&info, 0, sizeof(info))
        result = sys_ioctl(self.fd.number, MEDIA_IOC_DEVICE_INFO, &info)
        if result < 0:
            self.fd.close()
            raise device_error(
                -result, "MEDIA_IOC_DEVICE_INFO", self.path,
                "this is not a media device" if result in (-ENOTTY, -EINVAL) else "",
            )
        self.driver = _text((<char *>info.driver)[:16])
        self.model = _text((<char *>info.model)[:32])
        self.serial = _text((<char *>info.serial)[:40])
        self.bus = _text((<char *>info.bus_info)[:32])
        self.media_version = info.media_version
        self.driver_version = info.driver_version
        self.hw_revision = info.hw_revision

    def topology(self):
        """Read the whole graph at one moment.

        Returns
        -------
        Topology
        """
        cdef media_v2_topology graph
        cdef media_v2_entity *entities
        cdef media_v2_interface *interfaces
        cdef media_v2_pad *pads
        cdef media_v2_link *links
        cdef int result
        while True:
            memset(&graph, 0, sizeof(graph))
            check(sys_ioctl(self.fd.number, MEDIA_IOC_G_TOPOLOGY, &graph), "MEDIA_IOC_G_TOPOLOGY", self.path)
            if max(graph.num_entities, graph.num_interfaces, graph.num_pads, graph.num_links) > MOST:
                raise device_error(EINVAL, "MEDIA_IOC_G_TOPOLOGY", self.path, "the driver tells of a graph without end")
            entities = <media_v2_entity *>calloc(graph.num_entities + 1, sizeof(media_v2_entity))
            interfaces = <media_v2_interface *>calloc(graph.num_interfaces + 1, sizeof(media_v2_interface))
            pads = <media_v2_pad *>calloc(graph.num_pads + 1, sizeof(media_v2_pad))
            links = <media_v2_link *>calloc(graph.num_links + 1, sizeof(media_v2_link))
            try:
                if entities == NULL or interfaces == NULL or pads == NULL or links == NULL:
                    raise MemoryError()
                asked = (graph.num_entities, graph.num_interfaces, graph.num_pads, graph.num_links)
                graph.ptr_entities = <uint64_t>entities
                graph.ptr_interfaces = <uint64_t>interfaces
                graph.ptr_pads = <uint64_t>pads
                graph.ptr_links = <uint64_t>links
                result = sys_ioctl(self.fd.number, MEDIA_IOC_G_TOPOLOGY, &graph)
                if result == -ENOSPC:  # it has grown since we asked for its size
                    continue
                check(result, "MEDIA_IOC_G_TOPOLOGY", self.path)
                got = (graph.num_entities, graph.num_interfaces, graph.num_pads, graph.num_links)
                if any([n > room for n, room in zip(got, asked, strict=True)]):
                    continue
                return Topology(
                    graph.topology_version,
                    [(entities[i].id, _text((<char *>entities[i].name)[:64]), entities[i].function, entities[i].flags)
                     for i in range(graph.num_entities)],
                    [(interfaces[i].id, interfaces[i].intf_type, interfaces[i].devnode.major,
                      interfaces[i].devnode.minor) for i in range(graph.num_interfaces)],
                    [(pads[i].id, pads[i].entity_id, pads[i].flags, pads[i].index) for i in range(graph.num_pads)],
                    [(links[i].id, links[i].source_id, links[i].sink_id, links[i].flags)
                     for i in range(graph.num_links)],
                )
            finally:
                free(entities)
                free(interfaces)
                free(pads)
                free(links)

    def setup_link(self, source, sink, unsigned int flags):
        """Change a link's flags.

        Parameters
        ----------
        source, sink : (int, int, int)
            Of both pads: the entity's id, the pad's index, the pad's flags.
        flags : int
            All flags of the link; the kernel lets only ENABLED change.

        Returns
        -------
        int
            0, or a negative errno: the caller knows the names.
        """
        cdef media_link_desc link
        memset(&link, 0, sizeof(link))
        link.source.entity, link.source.index, link.source.flags = source
        link.sink.entity, link.sink.index, link.sink.flags = sink
        link.flags = flags
        return sys_ioctl(self.fd.number, MEDIA_IOC_SETUP_LINK, &link)

    def close(self):
        """Close the device; what was set up stays."""
        self.fd.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<MediaFile {self.path} {self.driver} {self.model!r}>"

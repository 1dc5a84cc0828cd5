"""A cluster of one shop for the tests: a cart that calls a database, on two nodes."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from fleetgym_cluster.objects import Objects
from fleetgym_cluster.world import Cluster, Program, Revision, World

__all__ = ["CART", "NOW", "at", "cart", "small_cluster"]

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
CART = "Deployment shop/cart"

_MANIFESTS = """
kind: Node
apiVersion: v1
metadata: {name: n1, labels: {kubernetes.io/hostname: n1, zone: a}}
spec: {}
status: {allocatable: {cpu: "4", memory: 8Gi, pods: "50"}}
---
kind: Node
apiVersion: v1
metadata: {name: n2, labels: {kubernetes.io/hostname: n2, zone: b}}
spec: {taints: [{key: dedicated, value: batch, effect: NoSchedule}]}
status: {allocatable: {cpu: "4", memory: 8Gi, pods: "50"}}
---
kind: Namespace
apiVersion: v1
metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}
---
kind: ServiceAccount
apiVersion: v1
metadata: {name: default, namespace: shop}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: cart-config, namespace: shop}
data: {DB_URL: "http://db.shop.svc.cluster.local:80"}
---
kind: StorageClass
apiVersion: storage.k8s.io/v1
metadata: {name: fast}
provisioner: disk.example
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: cart, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers:
      - name: cart
        image: reg.example/cart:1
        ports: [{name: http, containerPort: 8080}]
        env:
        - {name: DB_URL, valueFrom: {configMapKeyRef: {name: cart-config, key: DB_URL}}}
        readinessProbe: {httpGet: {path: /readyz, port: http}}
        livenessProbe: {httpGet: {path: /healthz, port: http}, initialDelaySeconds: 10}
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
---
kind: StatefulSet
apiVersion: apps/v1
metadata: {name: db, namespace: shop}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - name: db
        image: reg.example/db:1
        ports: [{name: http, containerPort: 8080}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      storageClassName: fast
      resources: {requests: {storage: 1Gi}}
---
kind: Service
apiVersion: v1
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.1.2, selector: {app: db}, ports: [{port: 80, targetPort: http}]}
---
kind: NetworkPolicy
apiVersion: networking.k8s.io/v1
metadata: {name: db-ingress, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: cart}}}], ports: [{port: 8080}]}]
"""


def small_cluster(**images: Program) -> Cluster:
    """Return the cluster, all of it well; further images by tag of the cart."""
    objects = Objects(yaml.safe_load_all(_MANIFESTS))
    calls = Program(port=8080, calls=("DB_URL",), settings=("DB_URL",), memory_mib=100)
    template = copy.deepcopy(cart(objects)["spec"]["template"])
    revision = Revision(number=4, at=NOW - timedelta(days=2), cause="first", template=template)
    world = World(
        now=NOW,
        images={
            "reg.example/cart:1": calls,
            "reg.example/db:1": Program(port=8080),
            **{f"reg.example/cart:{tag}": program for tag, program in images.items()},
        },
        storage={"fast": ["ReadWriteOnce"]},
        history={CART: [revision]},
    )
    return Cluster(objects=objects, world=world)


def cart(objects: Objects) -> dict[str, Any]:
    """Return the cart's Deployment."""
    return at(objects, "Deployment", "cart")


def at(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    """Return an object of the shop."""
    found = objects.get(kind, "shop", name)
    assert found is not None
    return found

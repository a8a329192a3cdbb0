{{/* Values of a component over `defaults`, as YAML. Takes (list $ "edge"). */}}
{{- define "marksim.component" -}}
{{- $root := index . 0 -}}
{{- toYaml (mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (index $root.Values (index . 1)))) -}}
{{- end -}}

{{/* Ports of a component's container by name, as YAML; the same names as in `service.ports`. Takes "edge". */}}
{{- define "marksim.ports" -}}
{{- get (dict
  "orderbook" "{grpc: 50051, http: 9090}"
  "engine" "{grpc: 50052, http: 9090}"
  "archiver" "{grpc: 50053, http: 9090}"
  "edge" "{websocket: 8765, grpc: 50054, http: 9090}"
  "dashboard" "{page: 8050, grpc: 50055, http: 9090}"
  "memory" "{grpc: 50056, http: 9108}"
  ) . -}}
{{- end -}}

{{/* DNS name of a Service. Takes (list $ name). */}}
{{- define "marksim.dnsName" -}}
{{- $root := index . 0 -}}
{{- printf "%s.%s.svc.%s" (index . 1) $root.Release.Namespace $root.Values.clusterDomain -}}
{{- end -}}

{{/* Address of a component's Service. Takes (list $ "edge" "websocket"). */}}
{{- define "marksim.serviceAddress" -}}
{{- $root := index . 0 -}}
{{- $component := include "marksim.component" . | fromYaml -}}
{{- $name := include "marksim.dnsName" (list $root (include "marksim.componentName" .)) -}}
{{- printf "%s:%d" $name (get $component.service.ports (index . 2) | int) -}}
{{- end -}}

{{/* Address of the gRPC port of all pods of a component, by its headless Service. Takes (list $ "edge"). */}}
{{- define "marksim.podsAddress" -}}
{{- $port := (include "marksim.ports" (index . 1) | fromYaml).grpc | int -}}
{{- printf "%s:%d" (include "marksim.dnsName" (list (index . 0) (printf "%s-headless" (include "marksim.componentName" .)))) $port -}}
{{- end -}}

{{/* Address of one shard of the order book: the stable name of its pod. Takes (list $ 0). */}}
{{- define "marksim.shardAddress" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%d.%s" (include "marksim.componentName" (list $root "orderbook")) (index . 1 | int) (include "marksim.podsAddress" (list $root "orderbook")) -}}
{{- end -}}

{{/* Addresses of all shards, as YAML: {addresses: [...]}. Takes $. */}}
{{- define "marksim.shardAddresses" -}}
addresses:
  {{- range until (int .Values.orderbook.shards) }}
  - {{ include "marksim.shardAddress" (list $ .) }}
  {{- end }}
{{- end -}}

{{/*
The engines, as YAML: {engines: [{key, name, addresses, symbols}]}. `key` is the group's part of names, empty where one engine
has all. Takes $.
*/}}
{{- define "marksim.engines" -}}
engines:
  {{- if .Values.engine.groups }}
  {{- range $group := .Values.engine.groups }}
  - key: {{ $group.name | quote }}
    name: {{ include "marksim.componentName" (list $ (printf "engine-%s" $group.name)) }}
    symbols: {{ toJson $group.symbols }}
    addresses:
      {{- range $group.shards }}
      - {{ include "marksim.shardAddress" (list $ .) }}
      {{- end }}
  {{- end }}
  {{- else }}
  - key: ""
    name: {{ include "marksim.componentName" (list . "engine") }}
    symbols: []
    {{- include "marksim.shardAddresses" . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Address of an engine. Takes (list $ name). */}}
{{- define "marksim.engineAddress" -}}
{{- $port := (include "marksim.component" (list (index . 0) "engine") | fromYaml).service.ports.grpc | int -}}
{{- printf "%s:%d" (include "marksim.dnsName" .) $port -}}
{{- end -}}

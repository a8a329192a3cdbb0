{{/* What a StatefulSet and a Deployment share. Takes what "marksim.podTemplate" takes. */}}
{{- define "marksim.workload" -}}
revisionHistoryLimit: {{ .values.revisionHistoryLimit }}
selector:
  matchLabels:
    {{- toYaml (merge (dict) (.labels | default dict) (include "marksim.selectorLabels" (list .root .component) | fromYaml)) | nindent 4 }}
template:
  {{- include "marksim.podTemplate" . | nindent 2 }}
{{- end -}}

{{/* Strategy of a Deployment. What is only about a rolling update would be refused beside another type. Takes {strategy}. */}}
{{- define "marksim.strategy" -}}
{{- $strategy := . | default dict -}}
{{- toYaml (ternary (omit $strategy "rollingUpdate") $strategy (eq (toString $strategy.type) "Recreate")) -}}
{{- end -}}

{{/* Takes (dict "root" "component" "values"). */}}
{{- define "marksim.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "marksim.metadata" . | nindent 2 }}
data:
  settings.yaml: |
    {{- .settings | nindent 4 }}
{{- end -}}

{{/* The Service of a component's ready pods. Takes (dict "root" "component" "values"), and "name" and "labels" of an engine. */}}
{{- define "marksim.service" -}}
{{- $service := .values.service -}}
{{- $reached := ne $service.type "ClusterIP" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "marksim.metadata" (dict "root" .root "component" .component "name" .name "labels" $service.labels "annotations" $service.annotations) | nindent 2 }}
spec:
  type: {{ $service.type }}
  {{- range $key := list "clusterIP" "sessionAffinity" "ipFamilyPolicy" }}
  {{- with get $service $key }}
  {{ $key }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- if and $reached $service.externalTrafficPolicy }}
  externalTrafficPolicy: {{ $service.externalTrafficPolicy }}
  {{- end }}
  {{- if eq $service.type "LoadBalancer" }}
  {{- with $service.loadBalancerClass }}
  loadBalancerClass: {{ . | quote }}
  {{- end }}
  {{- with $service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $service.ipFamilies }}
  ipFamilies:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    {{- toYaml (merge (dict) (.labels | default dict) (include "marksim.selectorLabels" (list .root .component) | fromYaml)) | nindent 4 }}
  ports:
    {{- range $name, $target := include "marksim.ports" .component | fromYaml }}
    - name: {{ $name }}
      port: {{ get $service.ports $name }}
      targetPort: {{ $name }}
      protocol: TCP
      appProtocol: {{ include "marksim.appProtocol" $name }}
      {{- with and $reached (get $service.nodePorts $name) }}
      nodePort: {{ . }}
      {{- end }}
    {{- end }}
{{- end -}}

{{/*
The headless Service of a component: a name for each pod, ready or not, also while it ends. An engine finds a book that still
compiles, an archiver reads the last frames of one that is leaving, and the memory monitor sees every pod.
Takes what "marksim.service" takes.
*/}}
{{- define "marksim.headlessService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- $name := printf "%s-headless" (.name | default (include "marksim.componentName" (list .root .component))) }}
  {{- include "marksim.metadata" (dict "root" .root "component" .component "name" $name "labels" (dict "marksim.io/scrape" "true")) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  {{- with .values.service.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- with .values.service.ipFamilies }}
  ipFamilies:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    {{- toYaml (merge (dict) (.labels | default dict) (include "marksim.selectorLabels" (list .root .component) | fromYaml)) | nindent 4 }}
  ports:
    {{- range $name, $port := include "marksim.ports" .component | fromYaml }}
    - name: {{ $name }}
      port: {{ $port }}
      targetPort: {{ $name }}
      protocol: TCP
      appProtocol: {{ include "marksim.appProtocol" $name }}
    {{- end }}
{{- end -}}

{{/* What a mesh or gateway takes a port for. Takes the port's name. */}}
{{- define "marksim.appProtocol" -}}
{{- get (dict "grpc" "kubernetes.io/h2c" "websocket" "kubernetes.io/ws" "page" "http" "http" "http") . -}}
{{- end -}}

{{/* Takes (dict "root" "component" "values"). */}}
{{- define "marksim.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "marksim.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready serves nobody: it never holds up a drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "marksim.selectorLabels" (list .root .component) | nindent 6 }}
{{- end -}}

{{/* Takes (dict "root" "component" "values" "port"). */}}
{{- define "marksim.ingress" -}}
{{- $ingress := .values.ingress -}}
{{- $name := include "marksim.componentName" (list .root .component) -}}
{{- $port := .port -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "marksim.metadata" (dict "root" .root "component" .component "labels" $ingress.labels "annotations" $ingress.annotations) | nindent 2 }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with $ingress.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $ingress.hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range .paths | default (list dict) }}
          - path: {{ .path | default "/" }}
            pathType: {{ .pathType | default "Prefix" }}
            backend:
              service:
                name: {{ $name }}
                port:
                  name: {{ $port }}
          {{- end }}
    {{- end }}
{{- end -}}

{{/* Takes what "marksim.ingress" takes. */}}
{{- define "marksim.httpRoute" -}}
{{- $route := .values.httpRoute -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "marksim.metadata" (dict "root" .root "component" .component "labels" $route.labels "annotations" $route.annotations) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml $route.parentRefs | nindent 4 }}
  {{- with $route.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - backendRefs:
        - name: {{ include "marksim.componentName" (list .root .component) }}
          port: {{ get .values.service.ports .port }}
      {{- with $route.matches }}
      matches:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $route.filters }}
      filters:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{/*
What a StatefulSet keeps: a claim for each pod. Nothing where its `persistence` is off or names a claim that exists.
Takes (dict "root" "component" "persistence" "name" of the volume).
*/}}
{{- define "marksim.claims" -}}
{{- if and .persistence.enabled (not .persistence.existingClaim) -}}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ .persistence.whenDeleted }}
  whenScaled: Retain
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: {{ .name }}
      # These can never change: so no version is among them.
      labels:
        {{- include "marksim.selectorLabels" (list .root .component) | nindent 8 }}
      {{- with .persistence.annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      accessModes:
        {{- toYaml .persistence.accessModes | nindent 8 }}
      {{- with .persistence.storageClass | default .root.Values.global.storageClass }}
      storageClassName: {{ ternary "" . (eq . "-") | quote }}
      {{- end }}
      resources:
        requests:
          storage: {{ .persistence.size }}
{{- end -}}
{{- end -}}

{{/* The volume of the same, where no claim is made for each pod; as a list for "volumes". Takes what "marksim.claims" takes. */}}
{{- define "marksim.claimVolumes" -}}
{{- if not .persistence.enabled -}}
volumes:
  - name: {{ .name }}
    emptyDir: {}
{{- else if .persistence.existingClaim -}}
volumes:
  - name: {{ .name }}
    persistentVolumeClaim:
      claimName: {{ .persistence.existingClaim }}
{{- else -}}
volumes: []
{{- end -}}
{{- end -}}

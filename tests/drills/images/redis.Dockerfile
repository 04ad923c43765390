# Stands in for redis:7.2-alpine: the user, its folder, and the programs.
FROM wallport-drill:servers
RUN install -d -o redis -g redis -m 0755 /data
WORKDIR /data

# Stands in for nginxinc/nginx-unprivileged:1.28-alpine: user 101, everything it writes below /tmp, and templates that
# become files in a conf.d of its own.
FROM wallport-drill:servers
COPY --chmod=755 nginx-entrypoint /usr/local/bin/
COPY nginx.conf /etc/nginx/nginx.conf
RUN rm -rf /etc/nginx/conf.d /etc/nginx/sites-enabled && install -d -o 101 -g 101 -m 0755 /etc/nginx/conf.d
USER 101
ENTRYPOINT ["nginx-entrypoint"]
CMD ["nginx", "-g", "daemon off;"]
